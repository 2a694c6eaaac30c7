"""The names that rules can use: of segments, lists, tags and events, the newest first."""

from typing import Any, Final

from sqlalchemy import Column, Table, bindparam, select

from diglot.storage.schema import event_names, lists, segments, tags
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant


def _select_newest(
    table: Table, number: Column[Any], *columns: Column[Any], only: Expression | None = None
) -> Statement:
    """Return the select of columns of the newest rows of a workspace; keys ascend with time."""
    of_workspace = select(*columns).where(table.c.workspace == bindparam("workspace"))
    shown = of_workspace if only is None else of_workspace.where(only)
    return Statement(shown.order_by(number.desc()).limit(bindparam("limit")))


# The segment of a dynamic list is not one that rules can name.
_SEGMENTS: Final = _select_newest(
    segments, segments.c.segment, segments.c.id, segments.c.name, only=segments.c.list.is_(None)
)
_LISTS: Final = _select_newest(lists, lists.c.list, lists.c.id, lists.c.name)
_TAGS: Final = _select_newest(tags, tags.c.tag, tags.c.name)
_EVENTS: Final = _select_newest(event_names, event_names.c.number, event_names.c.name)


async def load_segments(tenant: Tenant, limit: int) -> dict[str, str]:
    """Return the names of the newest segments by their UUIDs."""
    return {row[0]: row[1] for row in await tenant.fetch_all(_SEGMENTS, limit=limit)}


async def load_lists(tenant: Tenant, limit: int) -> dict[str, str]:
    """Return the names of the newest lists by their UUIDs."""
    return {row[0]: row[1] for row in await tenant.fetch_all(_LISTS, limit=limit)}


async def load_tags(tenant: Tenant, limit: int) -> tuple[str, ...]:
    """Return the names of the newest tags."""
    return tuple(row[0] for row in await tenant.fetch_all(_TAGS, limit=limit))


async def load_events(tenant: Tenant, limit: int) -> tuple[str, ...]:
    """Return the newest names that events have or had."""
    return tuple(row[0] for row in await tenant.fetch_all(_EVENTS, limit=limit))
