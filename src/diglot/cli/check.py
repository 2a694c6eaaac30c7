"""`diglot check`."""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

import click

from diglot.background.check import Check
from diglot.cli.options import Progress, database_options, run_on_database, warn_of_risk
from diglot.plurals import count_of
from diglot.setting_sources import load_settings
from diglot.storage.checks import DatabaseState, inspect_database
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.engine import Engine

_MEBIBYTE: Final = 1 << 20


@click.command()
@click.option("--repair", is_flag=True, help="Repair segments whose stored members are wrong.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Compare only so many contacts of each workspace, chosen at random, with all its segments.",
)
@click.option("--seed", type=int, help="The seed of an earlier sample, to repeat it.")
@database_options
def check(
    *, repair: bool, sample: int | None, seed: int | None, database: str | None, config: str | None
) -> None:
    """Look for damage and wrong counts in a database.

    It reads SQLite's whole file, compares counts and dynamic segments with the rows, and lists values that
    are refused now. Each finding is a line. Exits with 0 if nothing is wrong, with 1 if something is, and
    with 2 if the database cannot be opened. With --sample it compares memberships only.
    """
    if repair and sample is not None:
        raise click.UsageError("--sample repairs nothing: run --repair without it")
    settings = load_settings({"database": database}, file=config)
    url = settings.database
    warn_of_risk(url)
    findings: list[str] = []

    def report(finding: str) -> None:
        findings.append(finding)
        click.echo(finding)

    click.echo("Reading the database...", err=True)
    state = asyncio.run(inspect_database(url))
    _report_state(state, settings.min_free_mib, report)
    compared = "0 dynamic segments compared"
    if not state.is_behind and not (state.file and state.file.damage):
        compare = partial(_compare, report=report, repair=repair, sample=sample, seed=seed)
        compared = run_on_database(url, compare)
    click.echo(f"{_describe(state)}; {compared}; {count_of(len(findings), 'finding')}.")
    if findings:
        raise click.exceptions.Exit(1)


async def _compare(
    engine: Engine, *, report: Callable[[str], None], repair: bool, sample: int | None, seed: int | None
) -> str:
    """Compare what is stored, and say how much was compared."""
    with Progress("checked") as progress:
        checking = Check(engine.in_background(), report, progress.show)
        if sample is None:
            return f"{count_of(await checking.run(repair=repair), 'dynamic segment')} compared"
        chosen = secrets.randbits(32) if seed is None else seed
        contacts = await checking.run_on_sample(sample, Random(chosen))  # noqa: S311 - a sample is no secret
        return f"{count_of(contacts, 'contact')} compared (--seed {chosen})"


def _report_state(state: DatabaseState, min_free_mib: int, report: Callable[[str], None]) -> None:
    if state.is_behind:
        report(f"the schema is at revision {state.revision}, not {LATEST}: run `diglot migrate`")
    for damage in () if state.file is None else state.file.damage:
        report(f"the file is damaged: {damage}")
    if state.disk_free is not None and state.disk_free < min_free_mib * _MEBIBYTE:
        report(f"the disk has {state.disk_free // _MEBIBYTE:,} MiB free, less than {min_free_mib:,}")


def _describe(state: DatabaseState) -> str:
    parts = [f"Revision {state.revision}"]
    if state.library is not None and state.file is not None and state.disk_free is not None:
        parts += [
            state.library,
            f"{state.file.size:,} bytes, of which {state.file.free_size:,} in free pages",
            f"{state.disk_free // _MEBIBYTE:,} MiB free on the disk",
        ]
    return "; ".join(parts)
