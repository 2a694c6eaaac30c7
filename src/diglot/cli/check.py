"""`diglot check`."""

import asyncio
from collections.abc import Callable
from typing import Final

import click

from diglot.background.check import Check
from diglot.cli.options import Progress, database_options, run_on_database, warn_of_risk
from diglot.setting_sources import load_settings
from diglot.storage.checks import DatabaseState, inspect_database
from diglot.storage.schema.revisions import LATEST

_MEBIBYTE: Final = 1 << 20


@click.command()
@click.option("--repair", is_flag=True, help="Repair segments whose stored members are wrong.")
@database_options
def check(*, repair: bool, database: str | None, config: str | None) -> None:
    """Look for damage and wrong counts in a database.

    It reads the whole file of SQLite, compares the counts of contacts and tags with their rows, and every
    dynamic segment with a full evaluation. Each finding is a line. Exits with 0 if nothing is wrong, with 1
    if something is, and with 2 if the database cannot be opened.
    """
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
    compared = 0
    if not state.is_behind and not (state.file and state.file.damage):
        with Progress("checked") as progress:
            compared = run_on_database(
                url, lambda engine: Check(engine.in_background(), report, progress.show).run(repair=repair)
            )
    click.echo(f"{_describe(state)}; {compared:,} dynamic segments compared; {len(findings):,} findings.")
    if findings:
        raise click.exceptions.Exit(1)


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
