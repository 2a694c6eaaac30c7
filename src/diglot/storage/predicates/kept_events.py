"""The instant since which a workspace keeps events, in SQL.

An earlier event may be deleted already or not, and instants in states and in the instant index outlive their
events. So whatever reads single events, or instants of them, compares them with this instant: then the result
does not depend on when the background work came by, nor on a clock or a retention that was changed since.
"""

from typing import Any, Final

from sqlalchemy import ScalarSelect, bindparam, select

from diglot.storage.schema import events, workspaces
from diglot.storage.sql.backend import Expression

KEPT_SINCE: Final[ScalarSelect[Any]] = (
    select(workspaces.c.events_since)
    .where(workspaces.c.workspace == bindparam("workspace"))
    .scalar_subquery()
)
IS_KEPT: Final[Expression] = events.c.happened_at >= KEPT_SINCE
