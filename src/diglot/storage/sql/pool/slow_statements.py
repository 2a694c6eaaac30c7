"""Finds slow statements: logs each one, with its SQL but without its values, which are personal data.

Like the level of a log, the threshold belongs to the process. Statements run on several threads.
"""

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from diglot.request_record import LOG_FIELDS, current_request
from diglot.storage.sql.engine import NO_VALUES, BoundValues, Executable

T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Coroutine[Any, Any, Any]])
log: Final = logging.getLogger("diglot.database")
_MAX_SQL: Final = 2_000

# Field and what it is, in the order of a line; the operators' page is rendered from it.
SLOW_FIELDS: Final = {
    "ms": "Milliseconds until the result arrived.",
    "sql": "The statement without its values, at most 2,000 characters of it.",
    "operation": "The dialect and operation of the request, if the statement was part of one.",
    "workspace": "The number of its workspace.",
    "key": "The id of its key.",
    "request": "The request's id.",
}


class SlowStatements:
    """The slow statements of a process; nothing is slow until a threshold is set."""

    def __init__(self) -> None:
        self.threshold_seconds = float("inf")
        self._uncounted: deque[None] = deque()

    def set_threshold(self, milliseconds: int) -> None:
        """Set from when on a statement is slow; 0 for never."""
        self.threshold_seconds = milliseconds / 1_000 if milliseconds else float("inf")

    def take_count(self) -> int:
        """Return the number of slow statements since the last call."""
        number = len(self._uncounted)
        for _ in range(number):
            self._uncounted.popleft()
        return number

    def report(self, sql: str, seconds: float) -> None:
        """Log and count a statement."""
        self._uncounted.append(None)
        fields: dict[str, Any] = {"ms": round(seconds * 1_000), "sql": " ".join(sql.split())[:_MAX_SQL]}
        if (request := current_request.get()) is not None:
            about = {"operation": request.operation, **request.describe_caller(), "request": request.id}
            fields |= {name: value for name, value in about.items() if value is not None}
        log.warning("slow statement", extra={LOG_FIELDS: fields})


SLOW_STATEMENTS: Final = SlowStatements()


def timed(method: M) -> M:
    """Time a method of a transaction that executes a statement; it costs 0.4 us."""

    @wraps(method)
    async def run(self: Any, statement: Executable, values: Any = NO_VALUES) -> Any:
        started = perf_counter()
        try:
            return await method(self, statement, values)
        finally:
            _note(self, statement, started)

    return cast("M", run)


def timed_at_once(method: Callable[[Any, Executable, Any], T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Time a method that never suspends; return it as one that can be awaited."""

    @wraps(method)
    async def run(self: Any, statement: Executable, values: BoundValues = NO_VALUES) -> T:
        started = perf_counter()
        try:
            return method(self, statement, values)
        finally:
            _note(self, statement, started)

    return run


def _note(transaction: Any, statement: Executable, started: float) -> None:
    seconds = perf_counter() - started
    if seconds >= SLOW_STATEMENTS.threshold_seconds:
        SLOW_STATEMENTS.report(statement.sql_for(transaction.backend).text, seconds)
