"""The list of imports, and the form that a file is dropped on."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from litestar.types import ASGIApp

from diglot.api.imports.review.file_head import refuse_other_files
from diglot.api.imports.upload import MAX_FIELD_BYTES
from diglot.api.input.request_body import check_headers
from diglot.console.answers import Html, Redirect
from diglot.console.pages.imports import review, words
from diglot.console.visit import FILE_FORM, Visit, read_page_number
from diglot.errors import ContentTooLarge, InvalidInput
from diglot.model.imports import ACTIVE
from diglot.model.pages import Window
from diglot.service.imports.jobs import MEBIBYTE

PER_PAGE: Final = 20
_MAX_NAME: Final = 200


async def show_list(visit: Visit) -> ASGIApp:
    """Show the imports, newest first, and the form for a file."""
    return await _show(visit, "imports/list.html")


async def show_rows(visit: Visit) -> ASGIApp:
    """Show the imports again, while one of them is in progress."""
    return await _show(visit, "imports/rows.html")


async def _show(visit: Visit, template: str, status: int = 200, faults: Sequence[str] = ()) -> Html:
    number = read_page_number(visit.query)
    window = Window((number - 1) * PER_PAGE, PER_PAGE)
    jobs, total = await visit.services.imports.list_page(visit.caller, window)
    most = visit.services.imports.max_bytes
    return visit.show(
        template,
        status=status,
        jobs=[(job, words.say_state(job)) for job in jobs],
        follows=any(job.status in (*ACTIVE, "uploading") for job in jobs),
        total=total,
        number=number,
        pages=max(1, -(-total // PER_PAGE)),
        most=most,
        most_mebibytes=most // MEBIBYTE,
        faults=faults,
    )


async def upload(visit: Visit) -> ASGIApp:
    """Store the file of a form as it arrives, and go to the review of its columns."""
    try:
        most = visit.services.imports.max_bytes + MAX_FIELD_BYTES
        check_headers(visit.request, most, (FILE_FORM,))
        form = await visit.open_file_form()
        if form.upload is None or not form.upload.name:
            raise InvalidInput.at((), "Choose a file first.")
        content = await _look_at_beginning(form.upload.content)
        job = await visit.services.imports.upload(
            visit.caller, _clean_name(form.upload.name), review.FIRST_OPTIONS, content
        )
    except InvalidInput as error:
        return await _refuse(visit, 400, [fault.message for fault in error.faults])
    except ContentTooLarge:
        most = visit.services.imports.max_bytes // MEBIBYTE
        return await _refuse(visit, 413, [f"The file is larger than {most:,} MiB. Nothing of it was kept."])
    await review.propose_options(visit, job)
    return Redirect(f"/console/imports/{job.id}")


async def _refuse(visit: Visit, status: int, faults: Sequence[str]) -> Html:
    if visit.is_part:
        return visit.show("parts/error.html", status=status, messages=faults)
    return await _show(visit, "imports/list.html", status, faults)


async def _look_at_beginning(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the same content; raise `MalformedRequest` for a workbook and the like before it is stored."""
    first = await anext(content, b"")
    refuse_other_files(first)

    async def iterate() -> AsyncIterator[bytes]:
        yield first
        async for data in content:
            yield data

    return iterate()


def _clean_name(name: str) -> str:
    """Return a name without characters that nobody sees, such as those that turn the direction of text."""
    return "".join(filter(str.isprintable, name))[:_MAX_NAME]
