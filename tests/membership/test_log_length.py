"""When the log of memberships is compacted."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from diglot.membership.active_segments import ActiveSegments
from diglot.membership.compaction import (
    COMPACT_AT,
    COMPACT_AT_MOST,
    ENTRIES_PER_CHANGE,
    compaction_threshold,
    needs_compaction,
)
from diglot.storage.write_unit import WorkspaceRow

UTC = ZoneInfo("UTC")
FEW = ActiveSegments(1, UTC, static_segments=frozenset({1}))
MANY = ActiveSegments(1, UTC, static_segments=frozenset(range(1_000)))


def _row(folded: int, unfolded: int, last: int) -> WorkspaceRow:
    counters = dict.fromkeys(WorkspaceRow.__struct_fields__, 1)
    values = counters | {"compacted_entry": folded, "uncompacted_changes": unfolded, "next_entry": last + 1}
    return msgspec.convert(values | {"time_zone": "UTC", "segments_steps": ""}, WorkspaceRow)


@pytest.mark.parametrize(
    ("unfolded", "moved", "expected"),
    [
        (0, 0, False),
        (COMPACT_AT - 1, COMPACT_AT * ENTRIES_PER_CHANGE - 1, False),
        (COMPACT_AT, COMPACT_AT, True),
        (1, COMPACT_AT * ENTRIES_PER_CHANGE, True),
    ],
)
def test_when_a_log_is_long(unfolded: int, moved: int, expected: bool) -> None:
    """By the changes that a new process reads, or by the contacts that each process caches."""
    assert needs_compaction(FEW, _row(7, unfolded, 7 + moved)) is expected


def test_how_long_a_log_may_grow() -> None:
    """More segments and more contacts make compactions rare, up to what a process reads in seconds."""
    assert compaction_threshold(FEW, 1) == COMPACT_AT
    assert compaction_threshold(MANY, 1) == 256_000
    assert compaction_threshold(MANY, 1 << 20) == COMPACT_AT_MOST
