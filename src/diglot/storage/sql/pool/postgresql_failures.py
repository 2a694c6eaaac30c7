"""What an error of PostgreSQL or of its driver means for a request."""

from typing import Final

import asyncpg

from diglot.errors import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseReadOnly,
    DeadlineExceeded,
    StorageFull,
    Unavailable,
)
from diglot.storage.sql.pool.postgresql_sessions import Connection

# By SQLSTATE, or by its class of two characters.
_KINDS: Final[dict[str, type[Unavailable]]] = {
    "08": DatabaseAway,  # connection exceptions
    "28": DatabaseAway,  # the password or the rules for hosts changed
    "3D000": DatabaseAway,  # the database was dropped
    "57P01": DatabaseAway,  # terminated by the administrator
    "57P02": DatabaseAway,  # a crash of another backend
    "57P03": DatabaseAway,  # starting or stopping
    "57P04": DatabaseAway,  # the database was dropped
    "57P05": DatabaseAway,  # idle session timeout
    "25P03": DatabaseAway,  # idle in transaction session timeout
    "58": DatabaseAway,  # errors of the operating system
    "53100": StorageFull,
    "53": DatabaseBusy,  # too many connections, out of memory
    "55P03": DatabaseBusy,  # lock timeout
    "40001": DatabaseBusy,  # serialization failure, also of a read that a standby cancels
    "40P01": DatabaseBusy,  # deadlock, also one over several nodes
    "57014": DeadlineExceeded,  # statement timeout
    "25P04": DeadlineExceeded,  # transaction timeout
    "25006": DatabaseReadOnly,
    "XX001": DatabaseDamaged,
    "XX002": DatabaseDamaged,
}
# What a database that is only away for a while answers to a connection; others are faults of the settings.
_TEMPORARY: Final = ("08", "53", "57")
# What the driver raises.
DRIVER_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


def explain_error(error: BaseException) -> Unavailable | None:
    """Return what an error in a unit of work means for a request; None if it is a bug."""
    state = _state_of(error)
    kind = _KINDS.get(state) or _KINDS.get(state[:2])
    return None if kind is None else kind(f"PostgreSQL: {describe(error)}")


def explain_connect_error(error: BaseException) -> Unavailable | None:
    """Return what an error while connecting means for a request; None if it is a bug."""
    if isinstance(error, (OSError, TimeoutError)):
        return DatabaseAway(f"PostgreSQL cannot be reached: {describe(error)}")
    return explain_error(error)


def is_temporary(error: BaseException) -> bool:
    """Tell whether an error while connecting may pass without a change of the settings."""
    return isinstance(error, (OSError, TimeoutError)) or _state_of(error).startswith(_TEMPORARY)


def is_lost(error: BaseException, connection: Connection) -> bool:
    """Tell whether the connection of an error is gone, so that another one may do.

    The state of the error does not tell, because Citus reports a node that is away as a failed connection.
    """
    # The driver confuses its own state if the end of a session arrives before the next statement is sent.
    closed = connection.is_closed() or isinstance(error, (asyncpg.InternalClientError, ConnectionError))
    return closed and isinstance(error, DRIVER_ERRORS)


def describe(error: BaseException) -> str:
    """Return one line about an error."""
    return str(error).partition("\n")[0] or type(error).__name__


def _state_of(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""
