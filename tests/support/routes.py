"""Checks where statements go: which of them touch the rows of more than one workspace."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import walk_packages
from typing import Any, Final

import asyncpg
import pytest

from diglot import storage
from diglot.storage.bulk import BulkStatement
from diglot.storage.sql.backend import Sql
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.statement import BackendStatement, Statement
from support.partition_plans import count_partitions
from support.partitioned_tables import PARTITION_COUNT

# What a connection is asked; other statements, such as BEGIN, touch no rows.
_METHODS: Final = ("fetch", "fetchrow", "execute", "executemany")
_WITH_A_PLAN: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
Note = Callable[[str, Sequence[Any]], object]


@dataclass
class Routes:
    """Plans statements, each distinct one once; `sweeps` are those that may touch all partitions."""

    connection: Any
    sweeps: Collection[str]
    counts: dict[str, int] = field(default_factory=dict)

    @asynccontextmanager
    async def checking(self) -> AsyncIterator[None]:
        """Check the statements that the block issues."""
        issued: dict[str, Sequence[Any]] = {}
        with _noting(issued.setdefault):
            yield
        await self.check(issued)

    async def check(self, issued: Mapping[str, Sequence[Any]]) -> None:
        """Fail if a statement touches more than one partition and is no sweep."""
        wide = []
        for text, values in issued.items():
            if text not in self.counts:
                self.counts[text] = await count_partitions(self.connection, text, values)
                if self.counts[text] > 1 and text not in self.sweeps:
                    wide.append(text)
        assert not wide, "\n\n".join(["these touch more than one partition:", *wide])


def has_plan(text: str) -> bool:
    """Tell whether a statement reads or writes rows."""
    return text.startswith(_WITH_A_PLAN)


@contextmanager
def _noting(note: Note) -> Iterator[None]:
    """Call a function with each statement that a connection gets, and the values of its first row."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _METHODS:
            patch.setattr(asyncpg.Connection, name, _noted(getattr(asyncpg.Connection, name), name, note))
        yield


def _noted(method: Any, name: str, note: Note) -> Any:
    async def run(connection: Any, text: str, *values: Any, **options: Any) -> Any:
        if has_plan(text):
            note(text, next(iter(values[0]), ()) if name == "executemany" else values)
        return await method(connection, text, *values, **options)

    return run


def describe(counts: Iterable[int]) -> str:
    """Return how many statements touch one partition, none or all."""
    by_count = Counter(counts)
    some = sum(number for count, number in by_count.items() if 1 < count < PARTITION_COUNT)
    one, none, every = by_count[1], by_count[0], by_count[PARTITION_COUNT]
    return f"{one:,} touch one partition, {none:,} none, {every:,} all" + (f", {some:,} some" if some else "")


def iterate_statements() -> Iterator[tuple[str, Sql]]:
    """Yield the fixed statements that modules of the storage hold, by module and name."""
    for name, value in _iterate_values():
        for statement in _statements_in(value):
            yield name, statement.sql_for(POSTGRESQL)


def iterate_bulk_statements() -> Iterator[tuple[str, BulkStatement]]:
    """Yield the statements for many rows, by module and name."""
    for name, value in _iterate_values():
        if isinstance(value, BulkStatement):
            yield name, value


def _iterate_values() -> Iterator[tuple[str, Any]]:
    for module in walk_packages(storage.__path__, f"{storage.__name__}."):
        if not module.ispkg and ".migrations" not in module.name:
            short = module.name.removeprefix(f"{storage.__name__}.")
            for name, value in vars(import_module(module.name)).items():
                yield f"{short}.{name}", value


def _statements_in(value: Any) -> Iterator[Statement | BackendStatement]:
    match value:
        case Statement() | BackendStatement():
            yield value
        case tuple() | list():
            for item in value:
                yield from _statements_in(item)
        case dict():
            yield from _statements_in(list(value.values()))
        case _ if type(value).__module__.startswith(storage.__name__) and hasattr(value, "__dict__"):
            yield from _statements_in(vars(value))
