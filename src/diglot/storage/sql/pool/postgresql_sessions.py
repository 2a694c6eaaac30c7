"""Opens sessions of PostgreSQL, whose settings hold for the session or, behind a pooler, for a transaction.

A pooler in transaction mode, such as pgbouncer, lends a session for one transaction. It refuses settings at
the start of a session and loses those that come later; an older one also mixes up prepared statements.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import asyncpg

from diglot.storage.database_urls import read_statement_cache

# asyncpg has no types.
Connection = Any
# Built-in arrays by number, which is the same in every PostgreSQL: the type of the elements and its number.
_ARRAYS: Final = {
    1000: ("bool", 16),
    1001: ("bytea", 17),
    1007: ("int4", 23),
    1009: ("text", 25),
    1015: ("varchar", 1043),
    1016: ("int8", 20),
    1022: ("float8", 701),
}
_NOT_SENT: Final = SimpleNamespace(name="not sent")


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of a database; each keeps `statement_cache` statements prepared, 0 behind a pooler."""

    url: str
    statement_cache: int

    async def connect(self, seconds: float, settings: Mapping[str, str] | None = None) -> Connection:
        """Open a session, with settings unless a pooler would refuse them; raise what the driver raises."""
        more = settings if self.statement_cache and settings else {}
        return await asyncpg.connect(
            self.url,
            timeout=seconds,
            connection_class=_Connection,
            statement_cache_size=self.statement_cache,
            server_settings={"application_name": "diglot", **more},
        )

    def begin(self, statement: str, settings: Mapping[str, str]) -> str:
        """Return what begins a transaction with the settings that its session lacks."""
        if self.statement_cache:
            return statement
        return "; ".join((statement, *(f"SET LOCAL {name} = '{to}'" for name, to in settings.items())))


def read_sessions(url: str) -> Sessions:
    """Return the sessions of the database of a URL."""
    return Sessions(*read_statement_cache(url))


class _Connection(asyncpg.Connection):
    """Knows the built-in arrays.

    The driver asks the catalogue for them in each new session, which takes Citus seconds.
    """

    async def _introspect_types(self, typeoids: Collection[int], timeout: float | None) -> Any:  # noqa: ASYNC109 - the driver's own
        if not _ARRAYS.keys() >= set(typeoids):
            return await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
        # The name says that no query of the driver replaced the statement that is being prepared.
        return [_describe_array(number) for number in typeoids], _NOT_SENT


def _describe_array(number: int) -> dict[str, Any]:
    """Return the row about an array that the catalogue would return."""
    name, element = _ARRAYS[number]
    return {
        "oid": number,
        "ns": "pg_catalog",
        "name": f"_{name}",
        "kind": b"b",
        "basetype": None,
        "elemtype": element,
        "elemdelim": b",",
        "range_subtype": None,
        "attrtypoids": None,
        "attrnames": None,
    }
