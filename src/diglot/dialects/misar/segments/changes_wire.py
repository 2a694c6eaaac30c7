"""Misar's shapes: who entered and left segments, change by change. The vendor has no such call."""

from typing import Annotated, Literal

import msgspec

from diglot.api.extensions.changes import ChangesPagination
from diglot.api.openapi.annotations import named
from diglot.dialects.misar.contacts.wire import ContactId
from diglot.dialects.misar.segments.wire import SegmentId
from diglot.dialects.misar.wire import Count, Time
from diglot.model.membership_changes import Cause


class MemberChange(msgspec.Struct, frozen=True):
    """A contact entered a segment or left it. Deleted ones keep their ids here as long as the history."""

    sequence: Count
    at: Time
    cause: Cause
    segment_id: SegmentId
    contact_id: ContactId | None
    change: Annotated[Literal["entered", "left"], named("MembershipChange")]


class ChangesAnswer(msgspec.Struct, frozen=True):
    """Changes in their order; they may be fewer than `limit`, even none, where there are more."""

    success: bool
    data: list[MemberChange]
    pagination: ChangesPagination
