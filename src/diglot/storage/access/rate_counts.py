"""Counts of requests: ephemeral rows, one for each workspace, key and bucket.

An embedded database has rows of attempts to sign in only, and counts the requests of workspaces without rows
(`storage/sql/pool/sqlite/counter_file.py`).

A statement that counts twice changes the row of the key before that of the workspace. All do so in this
order, so that no two wait for each other.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, bindparam, case, delete, select, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import rate_counts
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.request_counts import SHARED_KEY, RateCount, RateRequest
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant, bind_workspace

_c = rate_counts.c
# Of an attempt to sign in, which is counted before its workspace is known; no workspace has this number.
NO_WORKSPACE: Final = 0


def _values_of(request: RateRequest) -> dict[str, Any]:
    return {
        "key": request.key,
        "bucket": request.bucket,
        "window_number": request.window_number,
        "rest": request.overlap_us,
        "whole": request.window_us,
        "allowed": request.allowed_requests * request.window_us,
    }


def _bind_integer(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=_c.window_number.type)


def _new_row(key: str) -> dict[Column[Any], Any]:
    return {
        _c.workspace: bindparam("workspace", type_=_c.workspace.type),
        _c.key: bindparam(key),
        _c.bucket: bindparam("bucket"),
        _c.window_number: _bind_integer("window_number"),
        _c.count: 1,
        _c.previous: 0,
    }


def _upsert(
    backend: Backend, rows: Sequence[dict[Column[Any], Any]], allowed: ColumnElement[int]
) -> ClauseElement:
    """Return the statement that counts a request in each row that has room for it."""
    window = _bind_integer("window_number")
    now, before = _c.window_number == window, _c.window_number == window - 1
    count = case((now, _c.count), else_=0)
    previous = case((now, _c.previous), (before, _c.count), else_=0)
    room = previous * _bind_integer("rest") + (count + 1) * _bind_integer("whole") <= allowed
    return (
        backend.insert(rate_counts)
        .values(rows)
        .on_conflict_do_update(
            index_elements=[_c.workspace, _c.key, _c.bucket],
            set_={"window_number": _bind_integer("window_number"), "count": count + 1, "previous": previous},
            where=room,
        )
        .returning(_c.key, _c.count, _c.previous)
    )


def _upsert_one(backend: Backend) -> ClauseElement:
    return _upsert(backend, [_new_row("key")], _bind_integer("allowed"))


def _upsert_both(backend: Backend) -> ClauseElement:
    is_shared = _c.key == bindparam("shared_key")
    allowed = case((is_shared, _bind_integer("shared_allowed")), else_=_bind_integer("allowed"))
    return _upsert(backend, [_new_row("key"), _new_row("shared_key")], allowed)


_UPSERT_ONE = BackendStatement(_upsert_one)
_UPSERT_BOTH = BackendStatement(_upsert_both)
_GIVE_BACK = Statement(
    update(rate_counts)
    .where(
        _c.workspace == bindparam("in_workspace"),
        _c.key == bindparam("of_key"),
        _c.bucket == bindparam("of_bucket"),
        _c.window_number == bindparam("of_window"),
        _c.count > 0,
    )
    .values(count=_c.count - 1)
)
_SELECT = Statement(
    select(_c.window_number, _c.count, _c.previous).where(
        _c.workspace == bindparam("workspace"), _c.key == bindparam("key"), _c.bucket == bindparam("bucket")
    )
)
_DELETE_OLD = Statement(
    delete(rate_counts).where(
        _c.workspace == bindparam("workspace"),
        _c.bucket == bindparam("bucket"),
        _c.window_number < bindparam("before"),
    )
)


async def count_of_workspace(engine: Engine, workspace: int, request: RateRequest) -> RateCount:
    """Count a request of a key, and of what several keys share, if both allow it.

    An embedded database counts in a file of its own, without a statement.
    """
    if engine.request_counters is not None:
        return engine.request_counters.count(workspace, request)
    count = count_with_shared if request.shared_requests else count_request
    return await engine.run_ephemeral(bind_workspace(workspace, partial(count, request=request)))


async def count_request(tenant: Tenant, request: RateRequest) -> RateCount:
    """Count a request if the rate allows it, in one statement."""
    row = await tenant.fetch_one(_UPSERT_ONE, **_values_of(request))
    if row is not None:
        return RateCount(is_counted=True, current=row[1], previous=row[2])
    return await _load(tenant, request)


async def count_with_shared(tenant: Tenant, request: RateRequest) -> RateCount:
    """Count a request twice, for its key and for what several keys share, if both rates allow it.

    It takes one statement, and two more for a rejected request, which is given back to the one that had room.
    """
    shared_allowed = request.shared_requests * request.window_us
    values = {"shared_key": SHARED_KEY, "shared_allowed": shared_allowed}
    rows = await tenant.fetch_all(_UPSERT_BOTH, **_values_of(request), **values)
    counted = {key: (count, previous) for key, count, previous in rows}
    if len(counted) == 1:
        (key,) = counted
        window = {"of_key": key, "of_bucket": request.bucket, "of_window": request.window_number}
        await tenant.execute(_GIVE_BACK, **window)
    if request.key not in counted:
        return await _load(tenant, request)
    if SHARED_KEY not in counted:
        return (await _load(tenant, request._replace(key=SHARED_KEY)))._replace(is_shared=True)
    return RateCount(True, *counted[request.key])


async def _load(tenant: Tenant, request: RateRequest) -> RateCount:
    """Return the counts of a rejected request."""
    row = await tenant.fetch_one(_SELECT, key=request.key, bucket=request.bucket)
    if row is None or row[0] not in (request.window_number, request.window_number - 1):
        return RateCount(is_counted=False, current=0, previous=0)
    window, count, previous = row
    return (
        RateCount(False, count, previous) if window == request.window_number else RateCount(False, 0, count)
    )


async def delete_old(tenant: Tenant, bucket: str, before: int) -> None:
    """Delete the counts of a bucket in windows before a number."""
    await tenant.execute(_DELETE_OLD, bucket=bucket, before=before)
