"""The list of databases, and what statements and tables need from every one of them."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, Text, TextClause

from diglot.storage.sql.database import Database
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.sqlite_dialect import SQLITE

# The first one whose prefixes fit a URL is used, so that the one that takes any file name stands last.
DATABASES: Final = (POSTGRESQL, SQLITE)


def find_database(url: str) -> Database:
    """Return the database that a URL names."""
    return next(one for one in DATABASES if url.startswith(one.url_prefixes))


def pin_to_index(statement: Select[Any], table: Table, index: str | int) -> Select[Any]:
    """Pin a table of a select to an index where the planner would prefer a worse one.

    The index is its name, or the number of a unique key in the order of its creation, from 1.
    """
    for one in DATABASES:
        if one.index_hint is not None:
            statement = statement.with_hint(table, one.index_hint(table, index), one.dialect.name)
    return statement


def limit_index(condition: ColumnElement[bool] | TextClause) -> dict[str, Any]:
    """Return the arguments of `Index` that leave the rows out of it for which a condition is not true."""
    return {f"{one.dialect.name}_where": condition for one in DATABASES}


def exact_text() -> Text:
    """Return the type of text that every database compares by code point."""
    kind = Text()
    for one in DATABASES:
        if one.exact_text is not None:
            kind = kind.with_variant(one.exact_text, one.dialect.name)
    return kind
