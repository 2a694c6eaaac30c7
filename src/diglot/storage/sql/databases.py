"""The list of databases, and what statements and tables need from all of them.

A database has a record in a module of its own, which is imported only where a URL names the database: the SQL
of one that nobody uses would take memory and time at each start.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import msgspec
from sqlalchemy import TEXT, ColumnElement, Select, Table, Text, TextClause

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.database import Database


class ListedDatabase(msgspec.Struct, frozen=True):
    """A database in the list: how it is found, and what tables and statements need before one is chosen."""

    name: str
    """The name of its record, which is a constant in capitals in the module."""
    url_prefixes: tuple[str, ...]
    module: str
    exact_text: Text | None = None
    """A text type that compares by code point, None if the default one does."""
    index_hint: Callable[[Table, str | int], str] | None = None
    """The hint that pins a table to an index: a name, or the number of an unnamed unique key, from 1.

    None if the planner chooses well by itself.
    """

    def load(self) -> Database:
        """Return the record."""
        record: Database = getattr(import_module(self.module), self.name.upper())
        return record


def _indexed_by(table: Table, index: str | int) -> str:
    # SQLite names the indexes of a table's unique keys by their order.
    return f"INDEXED BY {index if isinstance(index, str) else f'sqlite_autoindex_{table.name}_{index}'}"


# The first database with a matching prefix is used, so the one that accepts any file name comes last.
DATABASES: Final = (
    ListedDatabase(
        "postgresql",
        ("postgresql://", "postgres://"),
        "diglot.storage.sql.postgresql_dialect",
        # Compares by code point, as SQLite does, whatever the collation of the database.
        exact_text=TEXT(collation="C"),
    ),
    # A file name has no scheme.
    ListedDatabase("sqlite", ("sqlite:///", ""), "diglot.storage.sql.sqlite_dialect", index_hint=_indexed_by),
)
# What `Index.info` of a table has of the rows that a partial index is limited to.
LIMIT: Final = "limit"


def find_database(url: str) -> Database:
    """Return the database that a URL names."""
    return next(listed for listed in DATABASES if url.startswith(listed.url_prefixes)).load()


def pin_to_index(statement: Select[Any], table: Table, index: str | int) -> Select[Any]:
    """Pin a table of a select to an index, on databases whose planner may prefer a worse one.

    The index is a name, or the number of a unique key in order of creation, from 1.
    """
    for listed in DATABASES:
        if listed.index_hint is not None:
            statement = statement.with_hint(table, listed.index_hint(table, index), listed.name)
    return statement


def can_pin(backend: Backend) -> bool:
    """Tell whether `pin_to_index` has an effect on a database."""
    return any(listed.index_hint and listed.name == backend.dialect.name for listed in DATABASES)


def limit_index(condition: ColumnElement[bool] | TextClause) -> dict[str, Any]:
    """Return the arguments of `Index` in a table for a partial index of the rows that match a condition.

    They are for readers: only a migration creates an index (`create_limited`), and SQLAlchemy would load each
    database that an argument is for.
    """
    return {"info": {LIMIT: condition}}


def create_limited(condition: ColumnElement[bool] | TextClause) -> dict[str, Any]:
    """Return the arguments with which a migration creates a partial index."""
    return {f"{listed.name}_where": condition for listed in DATABASES}


def exact_text() -> Text:
    """Return the text type that compares by code point on every database."""
    kind = Text()
    for listed in DATABASES:
        if listed.exact_text is not None:
            kind = kind.with_variant(listed.exact_text, listed.name)
    return kind
