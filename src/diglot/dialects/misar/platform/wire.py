"""Misar's structs on its contacts platform: requests in camel case, no `success`, one property in errors."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.annotations import Extension, schema_ref
from diglot.api.extensions.as_of import OfPast, Revision
from diglot.api.warnings import Warnings
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
    warnings: Warnings = UNSET


class PlatformSegmentAnswer(msgspec.Struct, frozen=True):
    """One segment."""

    data: PlatformSegment


class PlatformPreview(msgspec.Struct, frozen=True):
    """Rules to try."""

    filterCriteria: PlatformCriteria  # noqa: N815


class PlatformPreviewAnswer(msgspec.Struct, frozen=True):
    """The number of matching contacts, and the 10 newest of them. Unstored rules have no revision."""

    count: Count
    sample: list[Contact]
    count_as_of: Extension[Time]
    warnings: Warnings = UNSET


class PlatformMembersAnswer(msgspec.Struct, frozen=True):
    """The ids of all members, newest first. A past state omits contacts that have been deleted since."""

    contactIds: list[ContactId]  # noqa: N815
    count_as_of: Extension[Time] | UnsetType = UNSET
    revision: Extension[Revision] | UnsetType = UNSET
    as_of: Extension[OfPast] = UNSET
    deleted: Extension[OfPast] = UNSET


class PlatformMembersChange(msgspec.Struct, frozen=True):
    """The contacts to add, to remove, or to set as the only members. Unknown ids are ignored."""

    action: MemberAction
    contactIds: ContactIds  # noqa: N815


class PlatformMembersCount(msgspec.Struct, frozen=True):
    """The number of members after the change."""

    count: Count
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class PlatformError(msgspec.Struct, frozen=True):
    """An error on the contacts platform."""

    error: str
