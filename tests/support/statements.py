"""Records the statements that transactions run, on either database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction
from diglot.storage.sql.pool.sqlite_transaction import SQLiteTransaction

METHODS = ("fetch_all", "fetch_one", "execute", "execute_many")


@contextmanager
def recording() -> Iterator[list[str]]:
    """Lend a list that gets the SQL of each statement; one statement over many rows counts once."""
    found: list[str] = []
    with _noting(lambda text, _: found.append(text)):
        yield found


@contextmanager
def recording_values() -> Iterator[dict[str, Sequence[Any]]]:
    """Lend a dictionary that gets each distinct statement by its SQL, with the values of its first run."""
    found: dict[str, Sequence[Any]] = {}
    with _noting(found.setdefault):
        yield found


@contextmanager
def _noting(note: Callable[[str, Sequence[Any]], object]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for transaction in (SQLiteTransaction, PostgreSQLTransaction):
            for method in METHODS:
                patch.setattr(transaction, method, _noted(getattr(transaction, method), note))
        yield


def _noted(method: Any, note: Callable[[str, Sequence[Any]], object]) -> Any:
    async def run(transaction: Any, statement: Any, *values: Any) -> Any:
        sql = statement.sql_for(transaction.backend)
        # The values are one mapping, or a sequence of them to execute the statement with each.
        rows = values or ({},)
        for first in (rows if isinstance(rows[0], Mapping) else rows[0])[:1]:
            note(sql.text, sql.positional_values(first))
        return await method(transaction, statement, *values)

    return run
