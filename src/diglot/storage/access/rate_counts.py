"""Counts of requests: ephemeral rows, one for each key and bucket."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import rate_counts
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

_c = rate_counts.c


@dataclass(frozen=True, slots=True)
class RateRequest:
    """A request to count, if fewer than `allowed_requests` are counted in the current window.

    `window_us` is the length of a window. `overlap_us` is the part of the sliding window that still lies in
    the previous window, which is counted in proportion.
    """

    key: str
    bucket: str
    window_number: int
    overlap_us: int
    window_us: int
    allowed_requests: int


@dataclass(frozen=True, slots=True)
class RateCount:
    """The counts of the current and the previous window, including this request if `is_counted`."""

    is_counted: bool
    count: int
    previous: int


def _bind_integer(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=_c.window_number.type)


def _upsert_count(backend: Backend) -> ClauseElement:
    window = _bind_integer("window_number")
    now, before = _c.window_number == window, _c.window_number == window - 1
    count = case((now, _c.count), else_=0)
    previous = case((now, _c.previous), (before, _c.count), else_=0)
    room = previous * _bind_integer("rest") + (count + 1) * _bind_integer("whole") <= _bind_integer("allowed")
    return (
        backend.insert(rate_counts)
        .values(
            key=bindparam("key"),
            bucket=bindparam("bucket"),
            window_number=_bind_integer("window_number"),
            count=1,
            previous=0,
        )
        .on_conflict_do_update(
            index_elements=[_c.key, _c.bucket],
            set_={"window_number": _bind_integer("window_number"), "count": count + 1, "previous": previous},
            where=room,
        )
        .returning(_c.count, _c.previous)
    )


_UPSERT_COUNT = BackendStatement(_upsert_count)
_SELECT = Statement(
    select(_c.window_number, _c.count, _c.previous).where(
        and_(_c.key == bindparam("key"), _c.bucket == bindparam("bucket"))
    )
)


_DELETE_OLD = Statement(
    delete(rate_counts).where(_c.bucket == bindparam("bucket"), _c.window_number < bindparam("before"))
)


async def count_request(transaction: Transaction, request: RateRequest) -> RateCount:
    """Count a request if the rate allows it, in one statement."""
    bucket_key = {"key": request.key, "bucket": request.bucket}
    values = {
        "window_number": request.window_number,
        "rest": request.overlap_us,
        "whole": request.window_us,
        "allowed": request.allowed_requests * request.window_us,
    }
    row = await transaction.fetch_one(_UPSERT_COUNT, bucket_key | values)
    if row is not None:
        return RateCount(is_counted=True, count=row[0], previous=row[1])
    row = await transaction.fetch_one(_SELECT, bucket_key)
    if row is None or row[0] not in (request.window_number, request.window_number - 1):
        return RateCount(is_counted=False, count=0, previous=0)
    window, count, previous = row
    return (
        RateCount(False, count, previous) if window == request.window_number else RateCount(False, 0, count)
    )


async def delete_old(transaction: Transaction, bucket: str, before: int) -> None:
    """Delete the counts of a bucket in windows before a number."""
    await transaction.execute(_DELETE_OLD, {"bucket": bucket, "before": before})
