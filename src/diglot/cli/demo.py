"""`diglot demo`."""

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from diglot.api.dialect import Dialect
from diglot.app import load_app
from diglot.cli.examples import history
from diglot.cli.options import warn_of_risk
from diglot.clock import system_clock
from diglot.dialects.registry import DIALECTS
from diglot.errors import Conflict, Misconfigured, Unauthenticated
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.plurals import count_of
from diglot.server import addresses, process
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from diglot.setting_sources import load_settings
from diglot.settings import Settings
from diglot.storage.connect import find_file, is_embedded, open_engine
from diglot.storage.sql.engine import Engine

_WORKSPACE: Final = "Demo"
_KEY_NAME: Final = "curl lines of the demo"
_NEWEST_ONE: Final = Window(0, 1)


@click.command()
@click.option("--host", help="The address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port; 0 takes a free one. [default: 8000]")
@click.option(
    "--database",
    metavar="FILE",
    default="diglot-demo.db",
    show_default=True,
    help="The file for the examples.",
)
@click.option("--no-serve", is_flag=True, help="Create the examples, print the keys, exit.")
def demo(*, no_serve: bool, **flags: Any) -> None:
    """Start a server with example contacts and segments.

    There are 10,000 contacts and a dozen segments to try, with a past of 120 days. The command prints a
    link to the console, and a key for each dialect with a curl line to paste. It creates the file the first
    time and reuses it afterwards; a second file next to it has the keys. Delete both files to start again.
    """
    settings = _keep_history(load_settings(flags))
    if not is_embedded(settings.database):
        raise Misconfigured("the demo keeps its examples in a file: give --database a file name")
    if no_serve:
        demonstration = asyncio.run(_prepare_demo(settings.database))
        click.echo(demonstration.format_introduction(f"http://{settings.host}:{settings.port}", settings))
    else:
        _serve_demo(settings)


def _keep_history(settings: Settings) -> Settings:
    """Return the settings of a server that does not delete the past that the demo is about."""
    days = max(settings.history_days, history.KEPT_DAYS)
    return msgspec.structs.replace(settings, history_days=days)


def _serve_demo(settings: Settings) -> None:
    warn_of_risk(settings.database)
    addresses.find_free_address(settings.host, settings.port)
    demonstration = asyncio.run(_prepare_demo(settings.database, with_link=settings.console))

    def announce(address: addresses.ListenAddress) -> None:
        click.echo(demonstration.format_introduction(address.url, settings))
        process.announce_url(settings, address.url)

    process.serve(settings, announce, partial(load_app, settings))


@dataclass(frozen=True, slots=True)
class _Demonstration:
    summary: str
    keys: dict[str, str]
    segment_id: str | None
    link: str | None = None

    def format_introduction(self, url: str, settings: Settings) -> str:
        """Return the address of the console, and the keys with a curl line for each."""
        link = f"Open the console in a browser; this link works once: {url}/console/enter#{self.link}"
        lines = [self.summary] if self.link is None else [link, "", self.summary]
        for dialect in DIALECTS:
            key, path = (
                self.keys[dialect.name],
                f"{dialect.prefix}/{dialect.demo.build_path(self.segment_id)}",
            )
            lines += ["", f"{dialect.title} key: {key}"]
            lines += [f'  curl "{url}{path}" -H "Authorization: Bearer {key}"']
        if settings.docs:
            lines += ["", f"All calls, to read and to try with these keys: {url}/docs"]
        return "\n".join([*lines, ""])


async def _prepare_demo(url: str, *, with_link: bool = False) -> _Demonstration:
    """Create the examples that are missing; existing data is not changed."""
    began, now = time.monotonic(), system_clock()
    async with open_engine(url) as engine:
        keys = await _ensure_keys(engine, find_file(url).with_suffix(".keys"), now)
        caller = await Keys(engine).authenticate(DIALECTS[0].name, keys[DIALECTS[0].name])
        filled = await _create_examples(engine, caller, now)
        contacts = await Contacts(engine).list_page(caller, _NEWEST_ONE)
        segments = await Segments(engine).list_page(caller, _NEWEST_ONE)
        link = await Sessions(engine, RateLimits(engine)).create_link(caller) if with_link else None
    how = f"created in {time.monotonic() - began:.1f} s" if filled else "unchanged"
    counts = f"{count_of(contacts.total, 'contact')} and {count_of(segments.total, 'segment')}"
    summary = f"{counts} in {find_file(url)}, {how}"
    return _Demonstration(summary, keys, segments.items[0].id if segments.items else None, link)


async def _create_examples(engine: Engine, caller: Caller, now: int) -> bool:
    contacts, segments = Contacts(engine), Segments(engine)
    if not (await contacts.list_page(caller, _NEWEST_ONE)).total:
        await history.create_step_by_step(engine, caller, now)
        return True
    if (await segments.list_page(caller, _NEWEST_ONE)).total:
        return False
    await history.create_segments(engine, caller, system_clock)
    return True


async def _ensure_keys(engine: Engine, file: Path, now: int) -> dict[str, str]:
    """Return the demo's keys, from the file if they still work, and new ones otherwise."""
    # The workspace begins with its first key, and its history with the workspace.
    service = Keys(engine, lambda: history.begin_of_history(now))
    kept = _read_keys_file(file)
    keys = {dialect.name: await _ensure_key(service, dialect, kept.get(dialect.name)) for dialect in DIALECTS}
    if keys != kept:
        _write_keys_file(file, keys)
    return keys


async def _ensure_key(service: Keys, dialect: Dialect, kept: str | None) -> str:
    try:
        await service.authenticate(dialect.name, kept)
    except Unauthenticated:
        try:
            return await service.create(dialect.key_format, _WORKSPACE, secret=kept, name=_KEY_NAME)
        except Conflict:  # the key was revoked
            return await service.create(dialect.key_format, _WORKSPACE, name=_KEY_NAME)
    assert kept is not None
    return kept


def _read_keys_file(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured(f"{file} is not a file of demo keys: delete it ({error})") from error


def _write_keys_file(file: Path, keys: dict[str, str]) -> None:
    """Write the keys to a file that only this user can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened_file:
        os.fchmod(descriptor, 0o600)
        opened_file.write(msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
