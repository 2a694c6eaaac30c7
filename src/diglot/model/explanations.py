"""Explanations of one contact's membership in one segment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions.explain import RuleEvents, Verdict
from diglot.model.contacts import Contact
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment


class NamedSegment(msgspec.Struct, frozen=True):
    """A segment that rules name; whether the contact is a member, since when and why, if that is known."""

    segment: Segment
    is_member: bool
    entry_origin: ChangeOrigin | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a contact is a member of a segment at an instant (microseconds), and why.

    `list_ids` are the static lists that contain the contact, if the condition reads lists, `events` those
    that each rule counts, by the stored form of its predicate. `verdict` is None for a static segment, whose
    members do not depend on a condition. `entry_origin` is when and why a member entered, if that is known,
    and `cause_segment_id` the segment that it names. `named` are the segments that the rules name, by id.
    """

    segment: Segment
    contact: Contact
    list_ids: tuple[str, ...]
    events: Mapping[str, RuleEvents]
    is_member: bool
    verdict: Verdict | None
    entry_origin: ChangeOrigin | None
    as_of: int
    zone: ZoneInfo
    named: Mapping[str, NamedSegment] = field(default_factory=dict)
    cause_segment_id: str | None = None
