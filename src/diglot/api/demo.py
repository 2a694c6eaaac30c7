"""The demo's segments for a dialect, in the vendor's words, and a call to try."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from diglot.api.rules.reading import read_condition
from diglot.api.rules.words import Words
from diglot.conditions.check import check_condition
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.service.audience.segments import NewSegment

_encode = msgspec.json.Encoder().encode


class DemoSegment(msgspec.Struct, frozen=True):
    """A segment in a dialect's words."""

    name: str
    body: dict[str, Any]
    description: str | None = None
    type: SegmentType = SegmentType.DYNAMIC

    def to_new_segment(self, dialect: str, words: Words) -> NewSegment:
        """Return the segment for the services, validated like one from a request."""
        tree = check_condition(read_condition(self.body, words))
        source = OriginalText(dialect, _encode(self.body).decode())
        return NewSegment(self.name, Condition(tree, source), self.description, self.type)


class Demo(msgspec.Struct, frozen=True):
    """The segments, oldest first, and a function that maps a segment's id, or None, to the path of a call."""

    segments: Sequence[DemoSegment]
    build_path: Callable[[str | None], str]


def build_rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    """Return a rule in the format of both vendors."""
    return {"field": field, "operator": operator, **({"value": value[0]} if value else {})}
