"""Misar's shapes on its contacts platform: requests in camel case, no `success`, errors of one member."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.annotations import Extension, schema_ref
from diglot.api.extensions.as_of import AsOfQuery, OfPast, Revision
from diglot.dialects.misar.contacts.wire import Contact, ContactId
from diglot.dialects.misar.segments.wire import ContactIds, Criteria, SegmentId, SegmentTypeWord
from diglot.dialects.misar.wire import Count, Time
from diglot.model.segments import MemberAction

PlatformCriteria = Annotated[msgspec.Raw, schema_ref("PlatformFilterCriteria")]


class PlatformSegment(msgspec.Struct, frozen=True):
    """A segment with its rules."""

    id: SegmentId
    name: str
    segment_type: SegmentTypeWord
    filter_criteria: Criteria
    contact_count: Count
    last_calculated_at: Time | None
    count_as_of: Extension[Time]
    revision: Extension[Revision]
    next_change_at: Extension[Time] | None


class PlatformSegmentAnswer(msgspec.Struct, frozen=True):
    """One segment."""

    data: PlatformSegment


class PlatformPreview(msgspec.Struct, frozen=True):
    """Rules to try."""

    filterCriteria: PlatformCriteria  # noqa: N815


class PlatformPreviewAnswer(msgspec.Struct, frozen=True):
    """How many contacts match, and the 10 newest of them. The rules are not stored: they have no revision."""

    count: Count
    sample: list[Contact]
    count_as_of: Extension[Time]


class PlatformMembersAnswer(msgspec.Struct, frozen=True):
    """The ids of all members, newest first; of the past, without those of contacts that are deleted since."""

    contactIds: list[ContactId]  # noqa: N815
    count_as_of: Extension[Time] | UnsetType = UNSET
    revision: Extension[Revision] | UnsetType = UNSET
    as_of: Extension[OfPast] = UNSET
    deleted: Extension[OfPast] = UNSET


class PlatformMembersQuery(msgspec.Struct, frozen=True):
    """Members of when."""

    as_of: Extension[AsOfQuery] = ""


class PlatformMembersChange(msgspec.Struct, frozen=True):
    """Who enters, who leaves, or who all the members are; unknown ids are passed over."""

    action: MemberAction
    contactIds: ContactIds  # noqa: N815


class PlatformMembersCount(msgspec.Struct, frozen=True):
    """How many members the segment has after the change."""

    count: Count
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class PlatformError(msgspec.Struct, frozen=True):
    """Any error on the contacts platform."""

    error: str
