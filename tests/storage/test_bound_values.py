"""A statement gets every value that it names, and is prepared once for all values."""

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select

from diglot.storage.schema import contacts, segments, workspace_profiles
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_module import sqlite3


@pytest.mark.parametrize("backend", [SQLITE, POSTGRESQL], ids=lambda backend: backend.name)
def test_a_value_that_the_caller_forgot_is_an_error(backend: Backend) -> None:
    """The statement raises KeyError, because a NULL in place of the value would hide the mistake."""
    profile = workspace_profiles.c
    sql = backend.compile(select(profile.name).where(profile.workspace == bindparam("workspace")))
    assert sql.positional_values({"workspace": 7}) == [7]
    with pytest.raises(KeyError, match="workspace"):
        sql.positional_values({})


@pytest.mark.parametrize("backend", [SQLITE, POSTGRESQL], ids=lambda backend: backend.name)
def test_an_insert_names_every_column(backend: Backend) -> None:
    """An insert raises KeyError for a column without a value, even if the column accepts NULL."""
    sql = backend.compile(insert(segments))
    row = dict.fromkeys(segments.c.keys(), 1)
    assert len(sql.positional_values(row)) == len(row)
    del row["history_since_entry"]
    with pytest.raises(KeyError, match="history_since_entry"):
        sql.positional_values(row)


_PAGE = select(contacts.c.pk)
_LIMIT: Any = bindparam("limit")
_SKIP: Any = bindparam("skip")
LIMITS: dict[str, tuple[Any, dict[str, int], list[int]]] = {
    "constant": (_PAGE.limit(2), {}, [9, 8]),
    "bound": (_PAGE.limit(_LIMIT), {"limit": 1}, [9]),
    "both constant": (_PAGE.limit(1).offset(2), {}, [7]),
    "both bound": (_PAGE.limit(_LIMIT).offset(_SKIP), {"limit": 2, "skip": 1}, [8, 7]),
    "no limit": (_PAGE.offset(_SKIP), {"skip": 2}, [7]),
    "none": (_PAGE, {}, [9, 8, 7]),
}


@pytest.mark.parametrize(("page", "values", "found"), LIMITS.values(), ids=LIMITS)
def test_a_limit_counts_rows(page: Any, values: dict[str, int], found: list[int]) -> None:
    """A limit and an offset have their usual meaning, however they are given.

    If the limit itself were a parameter, SQLite would prepare the statement anew at each execution.
    """
    sql = SQLITE.compile(page.order_by(contacts.c.pk.desc()))
    assert "LIMIT ?" not in sql.text
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE contacts (pk INTEGER)")
        connection.executemany("INSERT INTO contacts VALUES (?)", [(7,), (8,), (9,)])
        rows = connection.execute(sql.text, sql.positional_values(values)).fetchall()
    assert [pk for (pk,) in rows] == found
