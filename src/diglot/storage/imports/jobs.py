"""Rows of import jobs. Whoever changes one holds the lock of its workspace."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, bindparam, delete, func, insert, select, update

from diglot.model.imports import READY, ImportJob, ImportOptions, ImportProgress
from diglot.model.pages import Window
from diglot.storage.schema import import_chunks, import_jobs, import_rejects
from diglot.storage.schema.imports import IS_DUE
from diglot.storage.sql.engine import Row, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.sweeps import EVERYWHERE, Scope, SweepStatement
from diglot.storage.tenant import Tenant

_c = import_jobs.c
_COLUMNS: Final = tuple(column for column in _c if column.name != "workspace")
_IN_WORKSPACE: Final = _c.workspace == bindparam("workspace")
_SELECT: Final = select(*_COLUMNS).where(_IN_WORKSPACE)
_BY_ID: Final = Statement(_SELECT.where(_c.id == bindparam("id")))
_BY_NUMBER: Final = Statement(_SELECT.where(_c.job == bindparam("job")))
_BY_DIGEST: Final = Statement(
    _SELECT.where(_c.digest == bindparam("digest"), _c.is_upload.is_(False)).order_by(_c.job.desc()).limit(1)
)
_PAGE: Final = Statement(
    _SELECT.order_by(_c.job.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
)
_COUNT: Final = Statement(select(func.count()).select_from(import_jobs).where(_IN_WORKSPACE))
_LAST: Final = Statement(select(func.max(_c.job)).where(_IN_WORKSPACE))
_INSERT: Final = Statement(insert(import_jobs))
_CHANGED: Final = ("status", "size", "progress", "error", "updated_at")
_UPDATE: Final = Statement(
    update(import_jobs)
    .where(_c.workspace == bindparam("in_workspace"), _c.job == bindparam("of_job"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGED})
)
_UPDATE_OPTIONS: Final = Statement(
    update(import_jobs)
    .where(_c.workspace == bindparam("in_workspace"), _c.job == bindparam("of_job"))
    .values(options=bindparam("new_options"))
)
_DAY: Final = 86_400_000_000
# Rejected rows hold personal data, so a job is not kept longer than it takes to mend them.
RETENTION_PERIOD: Final = 30 * _DAY
# A person decides about a file within a week.
_REVIEW_PERIOD: Final = 7 * _DAY
# The largest file at the slowest speed that the server accepts takes 18 hours.
_UPLOAD_PERIOD: Final = _DAY
_DUE: Final = SweepStatement(
    lambda _: select(_c.workspace, _c.job).where(IS_DUE, _c.is_upload).order_by(_c.workspace, _c.job),
    _c.workspace,
)


def _is_old() -> ColumnElement[bool]:
    is_upload = (_c.status == "uploading") & (_c.updated_at < bindparam("uploads_before"))
    is_forgotten = (_c.status == READY) & (_c.updated_at < bindparam("reviews_before"))
    return _IN_WORKSPACE & (is_upload | is_forgotten | (_c.updated_at < bindparam("before")))


_FIRST_OLD: Final = Statement(select(_c.job).where(_is_old()).order_by(_c.job).limit(1))
_DELETE_ALL: Final = [
    Statement(
        delete(table).where(table.c.workspace == bindparam("workspace"), table.c.job == bindparam("job"))
    )
    for table in (import_chunks, import_rejects, import_jobs)
]
_encode: Final = msgspec.json.Encoder().encode
_decode_options: Final = msgspec.json.Decoder(ImportOptions).decode
_decode_progress: Final = msgspec.json.Decoder(ImportProgress).decode


def _job_of(row: Row) -> ImportJob:
    number, id_, status, is_upload, name, size, digest, options, progress, *rest = row
    return ImportJob(
        *(number, id_, status, bool(is_upload), name, size, digest),
        *(_decode_options(options), _decode_progress(progress), *rest),
    )


async def find_by_id(tenant: Tenant, id_: str) -> ImportJob | None:
    """Return a job by its UUID, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else _job_of(row)


async def find_by_number(tenant: Tenant, number: int) -> ImportJob | None:
    """Return a job by its number, or None."""
    row = await tenant.fetch_one(_BY_NUMBER, job=number)
    return None if row is None else _job_of(row)


async def find_by_digest(tenant: Tenant, digest: str) -> ImportJob | None:
    """Return the newest job of a file that a command reads, or None."""
    row = await tenant.fetch_one(_BY_DIGEST, digest=digest)
    return None if row is None else _job_of(row)


async def load_page(tenant: Tenant, window: Window) -> tuple[list[ImportJob], int]:
    """Return a window of the jobs, newest first, and the number of all."""
    rows = await tenant.fetch_all(_PAGE, limit=window.limit, offset=window.offset)
    count = await tenant.fetch_one(_COUNT)
    assert count is not None
    return [_job_of(row) for row in rows], count[0]


async def next_number(tenant: Tenant) -> int:
    """Return the number of the next job."""
    row = await tenant.fetch_one(_LAST)
    return 1 if row is None or row[0] is None else row[0] + 1


async def insert_job(tenant: Tenant, job: ImportJob) -> None:
    """Insert a job."""
    values: dict[str, Any] = {column.name: getattr(job, _attribute(column.name)) for column in _COLUMNS}
    values |= {name: _encode(values[name]).decode() for name in ("options", "progress")}
    await tenant.execute(_INSERT, **values)


async def update_job(tenant: Tenant, job: ImportJob) -> None:
    """Store what changes in a job: status, size, progress and error."""
    values = {f"new_{name}": getattr(job, name) for name in _CHANGED}
    values["new_progress"] = _encode(job.progress).decode()
    await tenant.execute(_UPDATE, of_job=job.number, **values)


async def update_options(tenant: Tenant, job: ImportJob) -> None:
    """Store the options of a job, which change only while a person reviews it."""
    await tenant.execute(_UPDATE_OPTIONS, of_job=job.number, new_options=_encode(job.options).decode())


async def list_due(transaction: Transaction, scope: Scope = EVERYWHERE) -> Sequence[tuple[int, int]]:
    """Return the workspaces and numbers of the uploaded jobs that are not finished."""
    return [(row[0], row[1]) for row in await _DUE.fetch_all(transaction, scope)]


async def find_old(tenant: Tenant, now: int) -> int | None:
    """Return the number of a job that nobody needs any more, or None."""
    row = await tenant.fetch_one(
        _FIRST_OLD,
        before=now - RETENTION_PERIOD,
        uploads_before=now - _UPLOAD_PERIOD,
        reviews_before=now - _REVIEW_PERIOD,
    )
    return None if row is None else row[0]


async def delete_job(tenant: Tenant, number: int) -> None:
    """Delete a job with its file and its rejected rows."""
    for statement in _DELETE_ALL:
        await tenant.execute(statement, job=number)


def _attribute(column: str) -> str:
    return "number" if column == "job" else column
