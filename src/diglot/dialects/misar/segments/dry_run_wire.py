"""Misar's shapes: trying rules that are not stored. The vendor has no such call."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import Revision
from diglot.api.extensions.dry_run import CountedRule
from diglot.dialects.misar.contacts.wire import Contact
from diglot.dialects.misar.segments.wire import Criteria, SegmentTypeWord
from diglot.dialects.misar.wire import Count, Time

AnySegmentId = Annotated[
    str, Meta(max_length=200, description="A dynamic segment whose rules these would replace.")
]


class DryRun(msgspec.Struct, frozen=True):
    """A new segment as it would be created, of which only the rules count, and whose place it would take."""

    filter_criteria: Criteria
    segment_id: AnySegmentId | UnsetType = UNSET
    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    segment_type: SegmentTypeWord | UnsetType = UNSET


class DryRunData(msgspec.Struct, frozen=True):
    """Who would be a member, all at `as_of`; each sample has the 10 newest.

    The current total, who would enter and leave, and the revision that would be replaced are null without a
    `segment_id`. The total is the current one and who enters, without who leaves.
    """

    total: Count
    current_total: Count | None
    entering: Count | None
    leaving: Count | None
    predicates: list[CountedRule]
    sample: list[Contact]
    entering_sample: list[Contact] | None
    leaving_sample: list[Contact] | None
    revision: Revision | None
    as_of: Time


class DryRunAnswer(msgspec.Struct, frozen=True):
    """What the rules would find."""

    success: bool
    data: DryRunData
