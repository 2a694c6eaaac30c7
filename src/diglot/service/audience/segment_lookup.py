"""Finds a segment by its id, or raises `NotFound`."""

from diglot.errors import NotFound
from diglot.model.segments import Segment
from diglot.model.workspaces import Caller
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import WorkspaceState


async def reload_segment_with_state(
    transaction: Transaction, caller: Caller, segment: Segment
) -> tuple[Segment, WorkspaceState]:
    """Return a segment as it is stored now, and the state of its workspace, of one snapshot."""
    found = await segments.find_by_number_with_state(transaction, caller.workspace, segment.number)
    assert found is not None
    return found


async def require_segment(transaction: Transaction, caller: Caller, id_: str | None) -> Segment:
    """Return a segment by its id; raise `NotFound`."""
    found = None if id_ is None else await segments.find_by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("segment")
    return found


async def require_segment_with_state(
    transaction: Transaction, caller: Caller, id_: str | None
) -> tuple[Segment, WorkspaceState]:
    """Return a segment and the state of its workspace, of one snapshot; raise `NotFound`."""
    found = None if id_ is None else await segments.find_with_state(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("segment")
    return found
