"""Misar's shapes: why a contact is a member of a segment, or is not. The vendor has no such call."""

from typing import Annotated

import msgspec

from diglot.api.extensions.as_of import Revision
from diglot.api.openapi.annotations import named
from diglot.dialects.misar.contacts.wire import ContactId
from diglot.dialects.misar.segments.wire import SegmentId, SegmentTypeWord
from diglot.dialects.misar.wire import Time
from diglot.model.membership_changes import Cause

ExplainedCriteria = Annotated[msgspec.Raw, named("ExplainedGroup")]


class Explained(msgspec.Struct, frozen=True):
    """Whether a contact is a member at `as_of`, and what each rule says of it.

    `filter_criteria` is null for a static segment, whose rules decide nothing. `entered_at` and `cause` say
    when a member came and by what, where that is known.
    """

    segment_id: SegmentId
    contact_id: ContactId
    segment_type: SegmentTypeWord
    is_member: bool
    filter_criteria: ExplainedCriteria | None
    entered_at: Time | None
    cause: Cause | None
    revision: Revision
    as_of: Time


class ExplainAnswer(msgspec.Struct, frozen=True):
    """One contact, explained."""

    success: bool
    data: Explained
