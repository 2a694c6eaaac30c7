"""The review of a file: its columns with examples, what each will do, and the choices of a person."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
from litestar.types import ASGIApp

from diglot.api.imports.contact_file import LOWERING, check_import_options
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.review.file_head import FileHead, read_file_head
from diglot.api.imports.review.tools import TOOL_TITLES
from diglot.api.imports.warnings.values import list_warnings
from diglot.console.answers import Html, Redirect
from diglot.console.forms import Form
from diglot.console.pages.imports import choices, words
from diglot.console.visit import Visit
from diglot.errors import Conflict, InvalidInput
from diglot.model.ids import parse_id
from diglot.model.imports import FileWarning, ImportJob, ImportOptions

# Rejected rows that a page shows.
MOST_REJECTED: Final = 10
_CODES_OF_ROWS: Final = ("unread_values", "refused_values", "uncertain_rows")
FIRST_OPTIONS: Final = ImportOptions(dry_run=True, only_lowers=True, is_reviewed=True)
_TRY: Final = "try"
# What a part of a page does with the result above it: shows it again, says that it is outdated, or keeps it.
SHOWN, CHANGED, KEPT = "shown", "changed", "kept"
# What the lists of every review offer.
_CHOICES: Final[dict[str, Any]] = {
    "result": SHOWN,
    "name_target": words.name_target,
    "fields": choices.list_fields(),
    "tools": {name: TOOL_TITLES[name] for name in PRESETS},
    "encodings": choices.ENCODINGS,
    "lowering": LOWERING,
}
_FALLBACK_ENCODING: Final = "windows-1252"
_NO_ADDRESS: Final = "No column has the email addresses: choose “Email” for the one that does."


async def read_head(job: ImportJob, data: bytes, options: ImportOptions) -> FileHead:
    """Return what the beginning of a file shows; raise `InvalidInput`."""
    return await asyncio.to_thread(partial(read_file_head, data, options, is_whole=len(data) >= job.size))


async def propose_options(visit: Visit, job: ImportJob) -> None:
    """Store what the beginning of a new file suggests: its character set, and the tool that wrote it."""
    _, data = await visit.services.imports.read_head(visit.caller, job.id)
    options = FIRST_OPTIONS
    for encoding in (None, _FALLBACK_ENCODING):
        tried = msgspec.structs.replace(options, encoding=encoding)
        try:
            head = await read_head(job, data, tried)
        except InvalidInput:
            continue
        options = msgspec.structs.replace(tried, preset=head.tool)
        break
    with suppress(Conflict):  # it was cancelled while it was sent, as its page shows
        await visit.services.imports.set_options(visit.caller, job.id, options)


async def describe(
    visit: Visit, job: ImportJob, data: bytes, *, tags: str | None = None, faults: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the templates of a review show; `tags` and `faults` are of a form that was not accepted."""
    options = job.options
    try:
        head = await read_head(job, data, options)
        told = [*faults, *_say_faults(head)]
    except InvalidInput as error:
        head, told = FileHead((), (), (), None), [*faults, *(fault.message for fault in error.faults)]
    _, rejected = await visit.services.imports.list_rejects(visit.caller, job.id, MOST_REJECTED)
    return _CHOICES | {
        "job": job,
        "rejected": rejected,
        "job_warnings": [one for one in list_job_warnings(job, len(rejected)) if one.code in _CODES_OF_ROWS],
        "options": options,
        "head": head,
        "columns": [
            (one, choices.find_choice(one, options), words.say_column(one, options)) for one in head.columns
        ],
        "tags": choices.write_tags(options.tags) if tags is None else tags,
        "sentences": words.say_file(head, options) if head.columns else (),
        "warnings": [one for one in head.warnings if one.code != "ignored"],
        "risks": words.find_risks(head),
        "faults": told,
    }


def list_job_warnings(job: ImportJob, shown: int) -> list[FileWarning]:
    """Return the warnings about a job; without those about rejected rows if all of these are shown."""
    all_shown = job.progress.counts.refused <= shown
    return [one for one in list_warnings(job.progress) if one.code != "refused_values" or not all_shown]


def _say_faults(head: FileHead) -> list[str]:
    said = [] if head.has_address else [_NO_ADDRESS]
    for fault in head.faults:
        if fault.path != ("email",):
            said.append(f"“{fault.path[-1]}”: {fault.message}" if fault.path else fault.message)
    return said


async def save(visit: Visit) -> ASGIApp:
    """Store the choices of a person; a dry run begins if the form asks for one and the columns are sound."""
    imports, id_, form = visit.services.imports, parse_id(visit.parameters["id"]), await visit.read_form()
    job, data = await imports.read_head(visit.caller, id_)
    try:
        options = await _read_options(job, data, form)
        check_import_options(options)
        tries = form.get("then") == _TRY and await _is_sound(job, data, options)
        stored = await imports.set_options(visit.caller, id_, options, tries=tries)
    except InvalidInput as error:
        faults = [
            f"{str(fault.path[0]).capitalize()}: {fault.message}" if fault.path else fault.message
            for fault in error.faults
        ]
        values = await describe(visit, job, data, tags=form.get("tags"), faults=faults)
        return show(visit, values | {"result": CHANGED}, 400)
    except Conflict:
        # Somebody else, or another page of this person, has begun the import or discarded the file.
        return Redirect(f"/console/imports/{job.id}")
    if visit.is_part and not form.get("then"):
        values = await describe(visit, stored, data)
        had_result = job.is_tried or job.error is not None
        return show(visit, values | {"result": _find_result(stored, had_result=had_result)})
    return Redirect(f"/console/imports/{job.id}")


def _find_result(job: ImportJob, *, had_result: bool) -> str:
    """Return what becomes of the result that the page shows, after a choice."""
    return SHOWN if job.is_tried else CHANGED if had_result else KEPT


async def _read_options(job: ImportJob, data: bytes, form: Form) -> ImportOptions:
    """Return the options of a form; the columns are those of the file as the form says that it is written.

    While its characters cannot be read, the page shows no columns, and the choices for them stay.
    """
    written, stored, has_columns = choices.read_file_options(form), job.options, choices.has_columns(form)
    of_contacts = choices.read_contact_options(form) if has_columns else stored
    try:
        columns = (await read_head(job, data, written)).columns
    except InvalidInput:
        mapping = stored.mapping
    else:
        kept = choices.keep_mapping(stored.mapping, columns)
        mapping = choices.read_mapping(form, columns) if has_columns else kept
    return msgspec.structs.replace(
        of_contacts,
        mapping=mapping,
        encoding=written.encoding,
        preset=written.preset,
        is_reviewed=True,
        dry_run=True,
    )


async def _is_sound(job: ImportJob, data: bytes, options: ImportOptions) -> bool:
    try:
        return not (await read_head(job, data, options)).faults
    except InvalidInput:
        return False


def show(visit: Visit, values: dict[str, Any], status: int = 200) -> Html:
    """Return the page of a review, or the part that says what will happen."""
    template = "imports/meaning.html" if visit.is_part else "imports/review.html"
    return visit.show(template, status=status, state=words.say_state(values["job"]), **values)
