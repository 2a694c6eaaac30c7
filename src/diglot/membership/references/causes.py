"""Tells which referenced segment moved a contact, because the membership log names it as the cause."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

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
    if graph.references.keys().isdisjoint(change.segment for change in changes):
        return [(origin, changes)]
    keys = {change.segment: BitMap(change.entered) | BitMap(change.left) for change in moved}
    own: list[SegmentChange] = []
    through: defaultdict[int, list[SegmentChange]] = defaultdict(list)
    for change in changes:
        rest = change
        for named in graph.references.get(change.segment, ()):
            if named in keys:
                part, rest = _divide(rest, keys[named])
                through[named] += _non_empty(part)
        own += _non_empty(rest)
    ordered = sorted(through, key=lambda named: (graph.level_of(named), named))
    rows = [(origin, own), *((replace(origin, segment=named), through[named]) for named in ordered)]
    return [row for row in rows if row[1]]


def _divide(change: SegmentChange, keys: BitMap) -> tuple[SegmentChange, SegmentChange]:
    """Return the part of a change that is about some contacts, and the rest."""
    entered, left = BitMap(change.entered), BitMap(change.left)
    return (
        SegmentChange(change.segment, _to_keys(entered & keys), _to_keys(left & keys)),
        SegmentChange(change.segment, _to_keys(entered - keys), _to_keys(left - keys)),
    )


def _to_keys(keys: BitMap) -> BitMap | list[int]:
    # Few keys are stored as a list, in whatever form they come.
    return keys if len(keys) > 1 else list(keys)


def _non_empty(change: SegmentChange) -> Sequence[SegmentChange]:
    return (change,) if change.entered or change.left else ()
