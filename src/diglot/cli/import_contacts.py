"""`diglot import`."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from diglot.api.imports.contact_file import LOWERING, check_import_options, open_contact_file
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.reject_file import RejectFile
from diglot.api.imports.warnings.values import list_warnings
from diglot.cli.options import (
    Progress,
    database_options,
    resolve_database,
    run_on_database,
    warn_of_risk,
)
from diglot.cli.workspaces import read_archive
from diglot.errors import InvalidInput, Misconfigured
from diglot.model.imports import FileWarning, ImportCounts, ImportJob, ImportOptions
from diglot.plurals import count_of
from diglot.service.archives.archive_file import is_archive
from diglot.service.imports.dry_run import LocalDryRun
from diglot.service.imports.local import LocalImports
from diglot.service.imports.run import ImportRun
from diglot.setting_sources import load_settings
from diglot.storage.sql.engine import Engine

_STOPPED: Final = 130
# The names of options, by those of their parameters.
_SHORT_NAMES: Final = {"mapping": "map", "tags": "tag"}


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--workspace", metavar="NAME", required=True, help="The workspace to import into.")
@click.option(
    "--map",
    "mapping",
    metavar="COLUMN=FIELD",
    multiple=True,
    help="Import a column into a field or into attributes.KEY; `COLUMN=` leaves it out. May be repeated.",
)
@click.option("--preset", type=click.Choice(list(PRESETS)), help="The tool that wrote the file.")
@click.option("--encoding", metavar="NAME", help="The character set of a file that is not UTF-8.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="A tag for every contact. May be repeated.")
@click.option("--status", type=click.Choice(LOWERING), help="Lower every contact to this status.")
@click.option("--skip-existing", is_flag=True, help="Leave contacts that exist as they are.")
@click.option("--dry-run", is_flag=True, help="Say what an import would do, and write nothing.")
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rows that are not imported into this new file, each with the reason.",
)
@database_options
def import_contacts(
    *, file: Path, workspace: str, database: str | None, config: str | None, **given: Any
) -> int:
    """Import contacts from FILE, of comma-separated values, into a workspace.

    FILE can also be an archive of `diglot workspaces export`, which becomes a new workspace of that name.

    An existing contact with the address of a row is updated. A server may run meanwhile. If the import is
    stopped, by Ctrl-C or otherwise, the same command continues it.
    """
    if _is_archive(file):
        _require_nothing_else(file.name, given)
        read_archive(file, workspace, resolve_database(database, config))
        return 0
    dry_run, rejects = given.pop("dry_run"), given.pop("rejects")
    options = _read_options(**given)
    _require_absent(rejects)
    settings = load_settings({"database": database}, file=config)
    warn_of_risk(settings.database)

    async def work(engine: Engine) -> int:
        imports = LocalImports(engine.in_background(), open_contact_file, max_contacts=settings.max_contacts)
        number = await imports.find_workspace(workspace)
        with file.open("rb") as opened:
            if dry_run:
                _show_dry_run(file.name, await imports.dry_run(number, opened, options))
                return 0
            return await _Import(imports, number, opened, file.name).run(options, rejects)

    return run_on_database(settings.database, work)


def _is_archive(file: Path) -> bool:
    with file.open("rb") as opened:
        return is_archive(opened)


def _require_nothing_else(name: str, given: Mapping[str, Any]) -> None:
    """Raise `UsageError` for options that are only about a file of contacts."""
    flags = [
        f"--{_SHORT_NAMES.get(option, option).replace('_', '-')}" for option, value in given.items() if value
    ]
    if flags:
        raise click.UsageError(
            f"{name} is an archive of a workspace, which is read as it is: leave out {', '.join(flags)}"
        )


class _Import:
    """An import that shows its progress and can be stopped."""

    def __init__(self, imports: LocalImports, workspace: int, file: BinaryIO, name: str) -> None:
        self._imports = imports
        self._workspace = workspace
        self._file = file
        self._name = name
        self._stopping = False

    async def run(self, options: ImportOptions, rejects: Path | None) -> int:
        """Import the file; return the exit code."""
        job, continues = await self._imports.find_or_begin(self._workspace, self._file, self._name, options)
        if continues:
            rows = count_of(job.progress.counts.rows, "row")
            click.echo(f"continuing an import that was stopped after {rows}", err=True)
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop)
        with Progress("checked") as checked, Progress("imported") as imported:
            job = await self._imports.run(
                self._workspace, job, self._file, _show_in(checked, imported), lambda: self._stopping
            )
        return await self._report(job, rejects)

    def _stop(self) -> None:
        self._stopping = True

    async def _report(self, job: ImportJob, rejects: Path | None) -> int:
        counts = job.progress.counts
        if job.status == "failed":
            raise InvalidInput.at((), f"{self._name} is not imported: {job.error}")
        if job.status == "cancelled":
            click.echo(f"The import was cancelled after {count_of(counts.rows, 'row')}.", err=True)
            return 1
        if job.status != "done":
            click.echo(f"Stopped after {count_of(counts.rows, 'row')}. The same command continues.", err=True)
            return _STOPPED
        click.echo(f"{self._name}: {count_of(counts.rows, 'row')}")
        _show_counts(counts, job.progress.custom_fields)
        _show_warnings(list_warnings(job.progress))
        if rejects is not None and counts.refused:
            await self._write_rejects(job, rejects)
        return 0

    async def _write_rejects(self, job: ImportJob, path: Path) -> None:
        written = RejectFile(job.progress.header)
        with path.open("xb") as file:
            file.write(written.encode_header())
            async for rows in self._imports.iterate_rejects(self._workspace, job):
                file.write(written.encode_rows(rows))
        click.echo(f"Mend the rows in {path}, and import that file in the same way.", err=True)


def _show_in(checked: Progress, imported: Progress) -> Callable[[ImportRun], None]:
    def show(run: ImportRun) -> None:
        progress = imported if run.job.progress.is_checked else checked
        progress.show(run.done_bytes, run.job.size)

    return show


def _parse_mapping(given: tuple[str, ...]) -> dict[str, str]:
    """Return the target of each column; the last `=` separates them, because a name may have one."""
    pairs = [one.rpartition("=") for one in given]
    if wrong := [target for _, sign, target in pairs if not sign]:
        raise click.UsageError(f"--map needs COLUMN=FIELD, not {wrong[0]!r}")
    return {column: target for column, _, target in pairs}


def _require_absent(path: Path | None) -> None:
    if path is not None and path.exists():
        raise Misconfigured(f"{str(path)!r} exists already: name a new file")


def _read_options(  # noqa: PLR0913 - one parameter for each option
    *,
    mapping: tuple[str, ...],
    preset: str | None,
    encoding: str | None,
    tags: tuple[str, ...],
    status: str | None,
    skip_existing: bool,
) -> ImportOptions:
    options = ImportOptions(_parse_mapping(mapping), preset, encoding, not skip_existing, tags, status)
    try:
        check_import_options(options)
    except InvalidInput as invalid:
        fault = invalid.faults[0]
        raise click.UsageError(f"--{' '.join(map(str, fault.path))}: {fault.message}") from None
    return options


def _show_counts(counts: ImportCounts, custom_fields: list[str]) -> None:
    for name, count in (
        ("new", counts.created),
        ("changed", counts.updated),
        ("unchanged", counts.unchanged),
        ("skipped", counts.skipped),
        ("refused", counts.refused),
        ("got another status than subscribed", counts.unsubscribed),
    ):
        click.echo(f"{count:>12,} {name}")
    click.echo(f"custom fields: {', '.join(custom_fields) or 'none'}")


def _show_warnings(warnings: list[FileWarning]) -> None:
    for warning in warnings:
        column = f"{warning.path}: " if warning.path else ""
        click.echo(f"warning: {column}{warning.message}")


def _show_dry_run(name: str, run: LocalDryRun) -> None:
    dry_run = run.dry_run
    click.echo(f"{name}: {count_of(dry_run.counts.rows, 'row')}, nothing is written")
    _show_counts(dry_run.counts, run.custom_fields)
    _show_warnings(list_warnings(run.to_progress()))
    for row in run.rejected:
        click.echo(f"row {row.row} would be refused: {row.reason}")
