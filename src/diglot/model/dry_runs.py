"""Results of dry runs: the members that an unsaved condition would have."""

from collections.abc import Sequence

import msgspec

from diglot.conditions import tree
from diglot.model.contacts import Contact
from diglot.model.segments import DeletedReference, Segment


class Sample(msgspec.Struct, frozen=True):
    """A number of contacts, and the newest of them."""

    count: int
    newest: Sequence[Contact]


class ReplacedSegment(msgspec.Struct, frozen=True):
    """The segment whose condition would be replaced: its member count, and who would enter and leave."""

    segment: Segment
    member_count: int
    entering: Sample
    leaving: Sample


class DryRun(msgspec.Struct, frozen=True):
    """The result of a dry run at an instant (microseconds), read from one snapshot.

    `rules` are the condition's rules in order, each with the number of contacts that it matches alone, and
    `broken` are the segments that make them invalid.
    """

    members: Sample
    rules: Sequence[tuple[tree.Predicate | tree.Not, int]]
    replaced: ReplacedSegment | None
    as_of: int
    broken: tuple[DeletedReference, ...] = ()
