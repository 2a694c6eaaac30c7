"""Tells which referenced segment moved a contact, because the membership log names it as the cause."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace
from pyroaring import BitMap

from diglot.membership.references.graph import ReferenceGraph
from diglot.model.membership_changes import ChangeOrigin
from diglot.storage.membership.changes import SegmentChange


def split_by_cause(
    changes: Sequence[SegmentChange],
    origin: ChangeOrigin,
    graph: ReferenceGraph,
    moved: Sequence[SegmentChange],
) -> Sequence[tuple[ChangeOrigin, Sequence[SegmentChange]]]:
    """Return changes with their origins, those of a referenced segment before those that follow from it.

    A contact that moves in a segment, and in one that this references, moves because of that. `moved` has all
    changes that may be such a cause.
    """
    named = {one for change in changes for one in graph.references.get(change.segment, ())}
    if not named:
        return [(origin, changes)]
    keys = {one.segment: BitMap(one.entered) | BitMap(one.left) for one in moved if one.segment in named}
    own: list[SegmentChange] = []
    through: defaultdict[int, list[SegmentChange]] = defaultdict(list)
    for change in changes:
        rest = change
        for one in graph.references.get(change.segment, ()):
            if one in keys:
                part, rest = _divide(rest, keys[one])
                through[one] += _non_empty(part)
        own += _non_empty(rest)
    ordered = sorted(through, key=lambda one: (graph.level_of(one), one))
    rows = [(origin, own), *((replace(origin, segment=one), through[one]) for one in ordered)]
    return [row for row in rows if row[1]]


def _divide(change: SegmentChange, keys: BitMap) -> tuple[SegmentChange, SegmentChange]:
    """Return the part of a change that is about some contacts, and the rest."""
    entered, left = BitMap(change.entered), BitMap(change.left)
    return (
        SegmentChange(change.segment, entered & keys, left & keys),
        SegmentChange(change.segment, entered - keys, left - keys),
    )


def _non_empty(change: SegmentChange) -> Sequence[SegmentChange]:
    return (change,) if change.entered or change.left else ()
