"""Misar's shapes: the members of a static segment, changed by hand."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import Revision
from diglot.api.openapi.annotations import Older
from diglot.dialects.misar.wire import Count, SegmentId, Time
from diglot.model.segments import MemberAction

# What is no id is passed over, too: a text of any form.
ContactIds = Annotated[list[str], Meta(max_length=5000)]


class MembersChange(msgspec.Struct, frozen=True):
    """Who enters, who leaves, or who all the members are.

    Ids of contacts that do not exist are passed over.
    """

    action: MemberAction
    contactIds: ContactIds  # noqa: N815
    contact_ids: Older[ContactIds] | UnsetType = UNSET


class MembersChanged(msgspec.Struct, frozen=True):
    """How many members the segment has after the change."""

    segment_id: SegmentId
    contact_count: Count
    count_as_of: Time
    revision: Revision


class MembersChangedAnswer(msgspec.Struct, frozen=True):
    """The answer to a change of members."""

    success: bool
    data: MembersChanged
