"""`diglot serve`."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click
import msgspec

from diglot.app import load_app
from diglot.cli.options import config_option, setting_option, warn_of_risk
from diglot.dialects.registry import DIALECTS
from diglot.server import process
from diglot.server.console_link import ConsoleLink
from diglot.setting_sources import load_settings
from diglot.settings import SETTINGS, UPSTREAMS, Settings

F = TypeVar("F", bound=Callable[..., Any])


def _split_upstream(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[tuple[str, str]]:
    found = [(name, url) for name, is_pair, url in (each.partition("=") for each in given) if is_pair]
    if len(found) < len(given):
        raise click.BadParameter("expected NAME=URL")
    return found


def _upstream_options(command: F) -> F:
    """Add the option for all upstreams, and the older option for each dialect."""
    for dialect in reversed(DIALECTS):
        command = click.option(
            f"--{dialect.name}-upstream",
            metavar="URL",
            help=f"The same as --upstream {dialect.name}=URL. [default: nowhere]",
        )(command)
    examples = " or ".join(f"{dialect.name}={dialect.vendor_url}" for dialect in DIALECTS)
    return click.option(
        "--upstream",
        metavar="NAME=URL",
        multiple=True,
        callback=_split_upstream,
        help=f"Where to forward calls of a dialect that Diglot does not serve, such as {examples}; "
        "repeat it for each. [default: nowhere]",
    )(command)


def _setting_options(command: F) -> F:
    """Add an option for each setting, in order; those of upstreams stand where they belong."""
    for field in reversed(msgspec.structs.fields(Settings)):
        add = _upstream_options if field.name == UPSTREAMS else setting_option(SETTINGS[field.name])
        command = add(command)
    return command


@click.command()
@_setting_options
@config_option
def serve(config: str | None, upstream: list[tuple[str, str]], **flags: Any) -> None:
    """Start the server.

    Every option can also be set in the environment, as DIGLOT_HOST, DIGLOT_PORT and so on, or in the file
    of --config. Flags win over the environment, and the environment over the file.
    """
    names = [dialect.name for dialect in DIALECTS]
    older = {name: url for name in names if (url := flags.pop(f"{name}_upstream")) is not None}
    flags[UPSTREAMS] = older | dict(upstream)
    settings = load_settings(flags, file=config, dialects=names)
    warn_of_risk(settings.database)
    link = ConsoleLink(settings)
    process.serve(settings, link.announce, partial(load_app, settings, setup_token=link.token))
