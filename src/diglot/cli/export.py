"""`diglot export`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import click

from diglot.cli.new_files import new_file
from diglot.cli.options import database_options, resolve_database, run_on_database
from diglot.model.ids import parse_id
from diglot.model.workspaces import Caller
from diglot.plurals import count_of
from diglot.service.access.workspaces import Workspaces
from diglot.service.exports.columns import read_columns
from diglot.service.exports.exports import (
    ALL_CONTACTS,
    Audience,
    ExportRequest,
    Exports,
    Members,
    contacts_on_list,
    members_of_segment,
)
from diglot.service.exports.formats import ExportFormat
from diglot.storage.sql.engine import Engine


@click.command()
@click.option("--workspace", metavar="NAME", required=True, help="The workspace of the contacts.")
@click.option("--segment", metavar="ID", help="Only the members of this segment.")
@click.option("--list", "list_", metavar="ID", help="Only the contacts on this list.")
@click.option(
    "--format",
    "format_",
    type=click.Choice([each.value for each in ExportFormat]),
    default=ExportFormat.CSV.value,
    show_default=True,
    help="A table, or one JSON object in each line.",
)
@click.option(
    "--columns",
    metavar="NAMES",
    help="Names with commas between them: id, fields, attributes.KEY, or attributes for all as one object. "
    "[default: all]",
)
@click.option(
    "--escape-formulas",
    is_flag=True,
    help="Put an apostrophe before cells that a spreadsheet would compute. It changes values.",
)
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="A new file, not standard output."
)
@database_options
def export(
    *, workspace: str, output: Path | None, database: str | None, config: str | None, **contents: Any
) -> None:
    """Write the contacts of a workspace, a segment or a list as CSV or as lines of JSON.

    The members are those at one instant, newest first; their values are read while the file is written.
    Contacts that are deleted meanwhile are left out. Servers go on.
    """
    request = _build_request(**contents)
    url = resolve_database(database, config)
    with _open_output(output) as file:
        members = run_on_database(url, lambda engine: _write(engine, workspace, request, file))
    of_rules = "" if members.revision is None else f", at revision {members.revision} of its rules"
    contacts = count_of(len(members.keys), "contact")
    click.echo(f"{contacts}, as of change {members.entry}{of_rules}.", err=True)


def _build_request(
    *, segment: str | None, list_: str | None, format_: str, columns: str | None, escape_formulas: bool
) -> ExportRequest:
    chosen = ExportFormat(format_)
    if escape_formulas and chosen is not ExportFormat.CSV:
        raise click.UsageError("only CSV has cells that a spreadsheet computes")
    names = None if columns is None else read_columns(columns)
    return ExportRequest(_find_audience(segment, list_), chosen, names, escape_formulas)


def _find_audience(segment: str | None, list_: str | None) -> Audience:
    if segment is not None and list_ is not None:
        raise click.UsageError("--segment and --list exclude each other")
    if segment is not None:
        return members_of_segment(parse_id(segment))
    return ALL_CONTACTS if list_ is None else contacts_on_list(parse_id(list_))


@contextmanager
def _open_output(output: Path | None) -> Iterator[BinaryIO]:
    if output is not None:
        with new_file(output) as file:
            yield file
        return
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        # The reader has enough, as `head` does; Python would write the rest at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(1) from error


async def _write(engine: Engine, name: str, request: ExportRequest, file: BinaryIO) -> Members:
    engine = engine.in_background()
    workspace = await Workspaces(engine).find(name)
    caller = Caller(workspace.number, ZoneInfo(workspace.time_zone), key="", scopes=frozenset())
    export = await Exports(engine).begin(caller, request)
    async for part in export.parts:
        file.write(part)
    return export.members
