"""Counts of requests: fleeting rows, one for each key and bucket."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import rate_counts
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

_c = rate_counts.c


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to count, of which `requests` are allowed in a window.

    `window` is the number of the window, `whole` its microseconds, `rest` those that the one before weighs.
    """

    key: str
    bucket: str
    window: int
    rest: int
    whole: int
    requests: int


@dataclass(frozen=True, slots=True)
class Used:
    """What is counted, the request included where it was `taken`."""

    taken: bool
    count: int
    previous: int


def _bound(name: str) -> ColumnElement[int]:
    return bindparam(name, type_=_c.window.type)


def _take(backend: Backend) -> ClauseElement:
    insert = sqlite.insert if backend.name == "sqlite" else postgresql.insert
    now, before = _c.window == _bound("window"), _c.window == _bound("window") - 1
    count = case((now, _c.count), else_=0)
    previous = case((now, _c.previous), (before, _c.count), else_=0)
    room = previous * _bound("rest") + (count + 1) * _bound("whole") <= _bound("allowed")
    return (
        insert(rate_counts)
        .values(
            key=bindparam("key"),
            bucket=bindparam("bucket"),
            window=_bound("window"),
            count=1,
            previous=0,
        )
        .on_conflict_do_update(
            index_elements=[_c.key, _c.bucket],
            set_={"window": _bound("window"), "count": count + 1, "previous": previous},
            where=room,
        )
        .returning(_c.count, _c.previous)
    )


_TAKE = BackendStatement(_take)
_READ = Statement(
    select(_c.window, _c.count, _c.previous).where(
        and_(_c.key == bindparam("key"), _c.bucket == bindparam("bucket"))
    )
)


_FORGET = Statement(
    delete(rate_counts).where(_c.bucket == bindparam("bucket"), _c.window < bindparam("before"))
)


async def take(transaction: Transaction, asked: Asked) -> Used:
    """Count a request where there is room for it."""
    named = {"key": asked.key, "bucket": asked.bucket}
    values = {
        "window": asked.window,
        "rest": asked.rest,
        "whole": asked.whole,
        "allowed": asked.requests * asked.whole,
    }
    row = await transaction.row(_TAKE, named | values)
    if row is not None:
        return Used(taken=True, count=row[0], previous=row[1])
    row = await transaction.row(_READ, named)
    if row is None or row[0] not in (asked.window, asked.window - 1):
        return Used(taken=False, count=0, previous=0)
    window, count, previous = row
    return Used(False, count, previous) if window == asked.window else Used(False, 0, count)


async def forget(transaction: Transaction, bucket: str, before: int) -> None:
    """Delete the counts of a bucket in windows before one."""
    await transaction.run(_FORGET, {"bucket": bucket, "before": before})
