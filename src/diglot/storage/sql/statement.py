"""Statements: SQLAlchemy Core, compiled once for each backend."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.sql.backend import Backend, Sql


class Statement:
    """A fixed statement of a repository, built when its module is imported."""

    __slots__ = ("_compiled", "clause")

    def __init__(self, clause: ClauseElement) -> None:
        self.clause = clause
        self._compiled: dict[Backend, Sql] = {}

    def sql_for(self, backend: Backend) -> Sql:
        """Return the compiled SQL for a backend."""
        sql = self._compiled.get(backend)
        if sql is None:
            sql = self._compiled[backend] = backend.compile(self.clause)
        return sql


class BackendStatement:
    """A fixed statement whose expressions depend on the backend."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[Backend], ClauseElement]) -> None:
        self._build = build
        self._compiled: dict[Backend, Sql] = {}

    def is_compiled(self, backend: Backend) -> bool:
        """Return whether the SQL for a backend is known, because compiling may take 20 ms."""
        return backend in self._compiled

    def sql_for(self, backend: Backend) -> Sql:
        """Return the compiled SQL for a backend."""
        sql = self._compiled.get(backend)
        if sql is None:
            sql = self._compiled[backend] = backend.compile(self._build(backend))
        return sql


class ShapedStatement:
    """A statement over a condition, already compiled; `values` are the bound values of the condition."""

    __slots__ = ("_sql", "values")

    def __init__(self, sql: Sql, values: dict[str, Any]) -> None:
        self._sql = sql
        self.values = values

    def sql_for(self, backend: Backend) -> Sql:
        """Return the SQL, which was compiled for this backend."""
        del backend
        return self._sql
