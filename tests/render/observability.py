"""Render what an operator can watch: metrics, fields of log lines."""

from collections.abc import Mapping

from diglot.server.access_log import ACCESS_FIELDS
from diglot.server.observability.families import FAMILIES
from diglot.server.observability.process_metrics import (
    BUILD_INFO,
    DATABASE_COMPLETE,
    DATABASE_UP,
    DISK_FREE,
    FILE_SIZE,
    PROCESS_FAMILIES,
    PROCESSES,
)
from diglot.server.observability.stored_metrics import STORED_FAMILIES
from diglot.storage.sql.pool.slow_statements import SLOW_FIELDS
from render.markdown import code, table

ALL_FAMILIES = (
    *FAMILIES,
    *STORED_FAMILIES,
    *(DATABASE_UP, DATABASE_COMPLETE, DISK_FREE, FILE_SIZE, PROCESSES, BUILD_INFO),
    *PROCESS_FAMILIES,
)


def metrics() -> str:
    """Return every metric with the help text that `/metrics` shows."""
    rows = (
        (code(family.name), family.kind, ", ".join(map(code, family.label_names)), family.help)
        for family in ALL_FAMILIES
    )
    return table(("metric", "kind", "labels", "what it is"), rows)


def access_fields() -> str:
    """Return the fields of the line of a request."""
    return _fields(ACCESS_FIELDS)


def slow_fields() -> str:
    """Return the fields of the line of a slow statement."""
    return _fields(SLOW_FIELDS)


def _fields(fields: Mapping[str, str]) -> str:
    return table(("field", "what it is"), ((code(name), text) for name, text in fields.items()))
