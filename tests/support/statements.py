"""Records the statements that transactions run, on either database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction

METHODS = ("fetch_all", "fetch_one", "execute", "execute_many")


@contextmanager
def recording() -> Iterator[list[str]]:
    """Lend a list that gets the SQL of each statement; one statement over many rows counts once."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for transaction in (SQLiteTransaction, PostgreSQLTransaction):
            for method in METHODS:
                patch.setattr(transaction, method, _recorded(getattr(transaction, method), found))
        yield found


def _recorded(method: Any, found: list[str]) -> Any:
    async def run(transaction: Any, statement: Any, *values: Any) -> Any:
        found.append(statement.sql_for(transaction.backend).text)
        return await method(transaction, statement, *values)

    return run
