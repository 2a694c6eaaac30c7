"""Checks that a database belongs to a cluster of Citus that can distribute tables now."""

import re
from typing import Final

from sqlalchemy import Connection, text

from diglot.errors import Misconfigured

# The oldest version that its makers still mended when Diglot was tried on Citus: 11 had its last release in
# February 2024, 12.1 one in October 2025. Diglot was tried on 13.2.
MIN_VERSION: Final = (12, 1)
_VERSION: Final = re.compile(r"Citus (\d+)\.(\d+)")
_HAS_CITUS = text("SELECT to_regprocedure('citus_version()') IS NOT NULL")
_READ_VERSION = text("SELECT citus_version()")
_IS_COORDINATOR = text("SELECT citus_is_coordinator()")
_AWAY = text(
    "SELECT nodename, nodeport FROM pg_dist_node WHERE isactive AND noderole = 'primary' "
    "AND citus_check_connection_to_node(nodename, nodeport) IS NOT TRUE ORDER BY 1, 2"
)


def has_citus(connection: Connection) -> bool:
    """Tell whether the database has the extension."""
    return bool(connection.execute(_HAS_CITUS).scalar_one())


def require_cluster(connection: Connection) -> None:
    """Raise `Misconfigured` if tables cannot be distributed from this connection now."""
    if not has_citus(connection):
        raise Misconfigured(
            "the database has no Citus: install it on every node and run CREATE EXTENSION citus there"
        )
    _require_version(str(connection.execute(_READ_VERSION).scalar_one()))
    if not connection.execute(_IS_COORDINATOR).scalar_one():
        raise Misconfigured("this is a worker node of Citus: give the URL of its coordinator")
    away = [f"{name}:{port}" for name, port in connection.execute(_AWAY)]
    if away:
        raise Misconfigured(
            f"these nodes of Citus do not answer: {', '.join(away)}: start them, or remove them with "
            "citus_remove_node, and run the command again"
        )


def _require_version(told: str) -> None:
    found = _VERSION.match(told)
    if found is None or (int(found[1]), int(found[2])) < MIN_VERSION:
        shown = told.partition(" on ")[0]
        raise Misconfigured(f"{shown} is too old: {'.'.join(map(str, MIN_VERSION))} or later is needed")
