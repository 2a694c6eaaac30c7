"""Topmail's shapes: trying conditions that are not stored. The vendor has no such call."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import Revision
from diglot.api.extensions.dry_run import CountedRule
from diglot.dialects.topmail.contacts.wire import Contact
from diglot.dialects.topmail.wire import Conditions, Count, Name, Time

AnySegmentId = Annotated[
    str, Meta(max_length=200, description="A dynamic segment whose conditions these would replace.")
]


class DryRun(msgspec.Struct, frozen=True):
    """A new segment as it would be created, of which only the conditions count.

    With `segment_id`, in the place of that segment's; then they are required.
    """

    conditions: Conditions | UnsetType = UNSET
    segment_id: AnySegmentId | UnsetType = UNSET
    name: Name | UnsetType = UNSET


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
    """What the conditions would find."""

    data: DryRunData
