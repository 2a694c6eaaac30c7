"""Finds a segment by its id, or raises `NotFound`."""

from diglot.errors import NotFound
from diglot.model.segments import Segment
from diglot.storage.audience import segments
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


async def require_segment(tenant: Tenant, id_: str | None) -> Segment:
    """Return a segment by its id; raise `NotFound`."""
    segment = None if id_ is None else await segments.find_by_id(tenant, id_)
    if segment is None:
        raise NotFound("segment")
    return segment


async def require_segment_with_state(tenant: Tenant, id_: str | None) -> tuple[Segment, WorkspaceState]:
    """Return a segment and the state of its workspace from one snapshot; raise `NotFound`."""
    found = None if id_ is None else await segments.find_with_state(tenant, id_)
    if found is None:
        raise NotFound("segment")
    return found
