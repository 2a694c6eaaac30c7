"""The use cases of analysis, which the app makes together."""

from typing import TypedDict

from diglot.clock import Clock
from diglot.model.workspaces import WorkspaceLimits
from diglot.service.audience.analysis.contact_segments import ContactSegments
from diglot.service.audience.analysis.overlaps import Overlaps
from diglot.service.audience.analysis.recent_changes import RecentChanges
from diglot.service.audience.analysis.sizes import SegmentSizes
from diglot.service.audience.analysis.snapshots import Snapshots
from diglot.storage.sql.engine import Engine


class Analyses(TypedDict):
    """The use cases by their names among the services."""

    overlaps: Overlaps
    segment_sizes: SegmentSizes
    snapshots: Snapshots
    contact_segments: ContactSegments
    recent_changes: RecentChanges


def build_analyses(engine: Engine, clock: Clock, limits: WorkspaceLimits) -> Analyses:
    """Return the use cases on an engine."""
    return {
        "overlaps": Overlaps(engine, clock),
        "segment_sizes": SegmentSizes(engine, clock),
        "snapshots": Snapshots(engine, clock, limits),
        "contact_segments": ContactSegments(engine, clock),
        "recent_changes": RecentChanges(engine),
    }
