"""A statement: SQLAlchemy Core, compiled once for each backend."""

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
        """Return the statement in a backend's words."""
        found = self._compiled.get(backend)
        if found is None:
            found = self._compiled[backend] = backend.compile(self.clause)
        return found


class BackendStatement:
    """A fixed statement that uses a backend's own primitives."""

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Callable[[Backend], ClauseElement]) -> None:
        self._build = build
        self._compiled: dict[Backend, Sql] = {}

    def sql_for(self, backend: Backend) -> Sql:
        """Return the statement in a backend's words."""
        found = self._compiled.get(backend)
        if found is None:
            found = self._compiled[backend] = backend.compile(self._build(backend))
        return found


class ShapedStatement:
    """A statement over a condition, already compiled; `values` are the condition's own."""

    __slots__ = ("_sql", "values")

    def __init__(self, sql: Sql, values: dict[str, Any]) -> None:
        self._sql = sql
        self.values = values

    def sql_for(self, backend: Backend) -> Sql:
        """Return the statement, which is of one backend only."""
        del backend
        return self._sql
