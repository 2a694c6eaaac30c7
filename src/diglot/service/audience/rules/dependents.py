"""Segments whose rules name something, as errors tell them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from diglot.model.segments import Segment
from diglot.model.webhooks import AudienceRef

# An error names so many dependents.
_MOST_NAMED: Final = 10


class Dependent(msgspec.Struct, frozen=True):
    """A segment whose rules name a reference, and the dynamic list in front of it, if there is one."""

    segment: Segment
    list_ref: AudienceRef | None

    def __str__(self) -> str:
        kind, ref = ("segment", self.segment) if self.list_ref is None else ("list", self.list_ref)
        return f"{kind} {ref.id} ({ref.name})"


def describe_dependents(dependents: Sequence[Dependent]) -> str:
    """Return the names of dependents, of which there is at least one."""
    named = ", ".join(map(str, dependents[:_MOST_NAMED]))
    more = f" and {len(dependents) - _MOST_NAMED} more" if len(dependents) > _MOST_NAMED else ""
    return f"{named}{more}"
