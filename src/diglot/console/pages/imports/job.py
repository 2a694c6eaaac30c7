"""One import: its review, its progress, and what became of its rows."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from litestar.types import ASGIApp

from diglot.api.imports.reject_file import RejectFile
from diglot.console.answers import Redirect
from diglot.console.pages.imports import review, words
from diglot.console.visit import Visit
from diglot.errors import Conflict
from diglot.model.ids import parse_id
from diglot.model.imports import ENDED, READY, ImportJob

_CONFIRMED: Final = "yes"
_LONGEST_INSTANT: Final = 20
_CONFIRM: Final = (
    "Confirm that people may become subscribed who opted out by these columns, or change the columns."
)


async def show(visit: Visit) -> ASGIApp:
    """Show an import as it is now: to be reviewed, in progress, or ended."""
    id_ = parse_id(visit.parameters["id"])
    job, rejected = await visit.services.imports.list_rejects(visit.caller, id_, review.MOST_REJECTED)
    if job.status == READY:
        job, data = await visit.services.imports.read_head(visit.caller, id_)
        return review.show(visit, await review.describe(visit, job, data))
    template = "imports/ended.html" if job.status in ENDED else "imports/progress.html"
    return visit.show(
        template,
        job=job,
        rejected=rejected,
        warnings=review.list_job_warnings(job, len(rejected)),
        state=words.say_state(job),
    )


async def show_progress(visit: Visit) -> ASGIApp:
    """Show how far an import is; when that is over, the page is opened again."""
    job = await visit.services.imports.get(visit.caller, parse_id(visit.parameters["id"]))
    if job.status == READY or job.status in ENDED:
        return Redirect(f"/console/imports/{job.id}")
    return visit.show("imports/bar.html", job=job, state=words.say_state(job))


async def begin(visit: Visit) -> ASGIApp:
    """Import a file that was tried; opt-outs are passed over only if the person says so."""
    id_, form = parse_id(visit.parameters["id"]), await visit.read_form()
    job, data = await visit.services.imports.read_head(visit.caller, id_)
    if job.is_tried and form.get("passes_over") != _CONFIRMED:
        values = await review.describe(visit, job, data, faults=[_CONFIRM])
        if values["risks"]:
            return review.show(visit, values, 400)
    with suppress(Conflict):  # the page shows what has become of it
        await visit.services.imports.begin(visit.caller, id_, _read_instant(form.get("seen_at")))
    return Redirect(f"/console/imports/{job.id}")


def _read_instant(text: str) -> int:
    """Return an instant that our page has sent; -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _LONGEST_INSTANT else -1


async def cancel(visit: Visit) -> ASGIApp:
    """Stop an import, or discard a file that was not imported."""
    id_ = parse_id(visit.parameters["id"])
    with suppress(Conflict):  # it has ended meanwhile, as the page shows
        await visit.services.imports.cancel(visit.caller, id_)
    return Redirect(f"/console/imports/{id_}")


async def send_rejects(visit: Visit) -> ASGIApp:
    """Send the rejected rows as a file to mend and import again, with the reason of each."""
    job = await visit.services.imports.get(visit.caller, parse_id(visit.parameters["id"]))
    return visit.send_file("rejected.csv", "text/csv", _iterate_rejects(visit, job))


async def _iterate_rejects(visit: Visit, job: ImportJob) -> AsyncIterator[bytes]:
    file = RejectFile(job.progress.header)
    yield file.encode_header()
    async for rows in visit.services.imports.iterate_rejects(visit.caller, job):
        yield file.encode_rows(rows)
