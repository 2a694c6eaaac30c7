"""Which segments the latest versions of the active segments differ by, so that a process loads only those.

Each new version is a step from the one before it. The row of a workspace keeps its last steps as text, such
as `17:4,5 23:4 31`: between versions 17 and 23 the segments 4 and 5 changed, and between 23 and 31 segment 4.
A segment changed if its condition, its name or its type did, if it is new, deleted, valid or invalid now, or
no longer pending. Steps that do not end at the current version say nothing, because whoever made that version
did not know them.
"""

from collections.abc import Collection
from typing import Final

# Every write of a workspace reads and stores them with its row, so they are few.
STEPS_KEPT: Final = 4
# A step that changes more segments than this is not described; then a process loads all.
MOST_IN_A_STEP: Final = 16
NO_STEPS: Final = ""


def add_step(steps: str, before: int, after: int, changed: Collection[int]) -> str:
    """Return the steps with one more, from a version to the next, in which the given segments changed."""
    if len(changed) > MOST_IN_A_STEP:
        return NO_STEPS
    *earlier, end = steps.split() or [NO_STEPS]
    kept = earlier[1 - STEPS_KEPT :] if end == str(before) else []
    return " ".join([*kept, f"{before}:{','.join(map(str, sorted(changed)))}", str(after)])


def find_changed(steps: str, before: int, after: int) -> frozenset[int] | None:
    """Return the segments that differ between two versions, or None if the steps do not tell."""
    *described, end = steps.split() or [NO_STEPS]
    begun = [step.split(":") for step in described]
    versions = [version for version, _ in begun]
    if end != str(after) or str(before) not in versions:
        return None
    later = begun[versions.index(str(before)) :]
    return frozenset(int(number) for _, changed in later for number in changed.split(",") if number)
