"""What a condition that is not stored would find."""

from collections.abc import Sequence
from dataclasses import dataclass

from diglot.conditions import tree
from diglot.model.contacts import Contact
from diglot.model.segments import Segment


@dataclass(frozen=True, slots=True)
class Sample:
    """How many contacts, and the newest of them."""

    count: int
    newest: Sequence[Contact]


@dataclass(frozen=True, slots=True)
class ReplacedSegment:
    """The segment whose condition would be replaced: how many members it has, who would enter and leave."""

    segment: Segment
    member_count: int
    entering: Sample
    leaving: Sample


@dataclass(frozen=True, slots=True)
class DryRun:
    """Who would be a member at an instant (microseconds), all of one state of the database.

    `rules` are those of the condition in its order, each with how many contacts it alone is true of.
    """

    members: Sample
    rules: Sequence[tuple[tree.Predicate | tree.Not, int]]
    replaced: ReplacedSegment | None
    as_of: int
