"""The list of databases, and what statements and tables need from all of them."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, Text, TextClause

from diglot.storage.sql.database import Database
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.sqlite_dialect import SQLITE

# The first database with a matching prefix is used, so the one that accepts any file name comes last.
DATABASES: Final = (POSTGRESQL, SQLITE)


def find_database(url: str) -> Database:
    """Return the database that a URL names."""
    return next(database for database in DATABASES if url.startswith(database.url_prefixes))


def pin_to_index(statement: Select[Any], table: Table, index: str | int) -> Select[Any]:
    """Pin a table of a select to an index, on databases whose planner may prefer a worse one.

    The index is a name, or the number of a unique key in order of creation, from 1.
    """
    for database in DATABASES:
        if database.index_hint is not None:
            statement = statement.with_hint(table, database.index_hint(table, index), database.dialect.name)
    return statement


def limit_index(condition: ColumnElement[bool] | TextClause) -> dict[str, Any]:
    """Return the arguments of `Index` for a partial index of the rows that match a condition."""
    return {f"{database.dialect.name}_where": condition for database in DATABASES}


def exact_text() -> Text:
    """Return the text type that compares by code point on every database."""
    kind = Text()
    for database in DATABASES:
        if database.exact_text is not None:
            kind = kind.with_variant(database.exact_text, database.dialect.name)
    return kind
