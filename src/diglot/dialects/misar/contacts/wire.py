"""The shapes of Misar's contact calls that are past one contact: lists, many at once, scores, files."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import AsOfQuery
from diglot.api.openapi.annotations import Older, Ours, named
from diglot.dialects.misar import wire

Sort = Annotated[str, named("ContactSort")]


class ContactPageQuery(msgspec.Struct, frozen=True):
    """Which page of whom. With `id`, as older clients ask, the answer is that one contact: `getContact`'s."""

    page: Annotated[int, Meta(ge=1, description="Page number, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Results per page; more than 100 is read as 100.")] = 50
    id: Older[Annotated[str, Meta(description="Answer this one contact.")]] = ""
    search: Annotated[str, Meta(description="Up to 50 words, each part of the email or of a name.")] = ""
    status: Annotated[wire.StatusWord, Meta(description="Only contacts of this status.")] = ""
    segment_id: Annotated[str, Meta(description="Only members of this segment; 404 without it.")] = ""
    segmentId: Older[Annotated[str, Meta(description="Another spelling of `segment_id`.")]] = ""  # noqa: N815
    as_of: Ours[AsOfQuery] = ""
    sort: Annotated[Sort, Meta(description="The order; without it the newest come first.")] = ""


class ContactPatchQuery(msgspec.Struct, frozen=True):
    """Which contact, where the body does not say."""

    id: Annotated[str, Meta(description="The contact; without it the email in the body names it.")] = ""


class ContactPatchByEmail(wire.ContactFields, frozen=True, kw_only=True):
    """A change to the contact that has this address; with an id in the query, its new address."""

    email: wire.Email | UnsetType = UNSET


class ContactScore(msgspec.Struct, frozen=True):
    """The engagement score, and which fifth of 0 to 100 it lies in; both null where there is none."""

    score: wire.Number | None
    tier: wire.TierWord | None
    success: bool


Ids = Annotated[list[str], Meta(max_length=10_000)]


class BulkDelete(msgspec.Struct, frozen=True):
    """The contacts, under one of three spellings."""

    ids: Ids
    contact_ids: Older[Ids] | UnsetType = UNSET
    contactIds: Older[Ids] | UnsetType = UNSET  # noqa: N815


class BulkUpdate(BulkDelete, frozen=True, kw_only=True):
    """The contacts, and what is said of each; an email is refused."""

    update: wire.ContactFields


class BulkUpdateAnswer(msgspec.Struct, frozen=True):
    """How many contacts are as the update says, and the ids that no contact has."""

    success: bool
    updated: wire.Count
    not_found: list[str]


class BulkDeleteAnswer(msgspec.Struct, frozen=True):
    """How many contacts were deleted, and the ids that no contact has."""

    success: bool
    deleted: wire.Count
    not_found: list[str]


Switch = Annotated[str, named("YesOrNo")]
TagText = Annotated[str, Meta(description="Tags for every contact, with commas between them.")]


class ImportQuery(msgspec.Struct, frozen=True):
    """What holds for every contact of an import, where the body has no place for it."""

    updateExisting: Annotated[Switch, Meta(description="Whether contacts that exist change.")] = "true"  # noqa: N815
    update_existing: Older[Annotated[Switch, Meta(description="The same in another spelling.")]] = "true"
    skipExisting: Older[Annotated[Switch, Meta(description="The opposite.")]] = "false"  # noqa: N815
    skip_existing: Older[Annotated[Switch, Meta(description="The opposite in another spelling.")]] = "false"
    tags: TagText = ""


class ImportForm(msgspec.Struct, frozen=True):
    """A file of comma-separated values, fields named in its first row, and what the query may say."""

    file: Annotated[str, Meta(extra_json_schema={"contentMediaType": "text/csv"})]
    updateExisting: Switch | UnsetType = UNSET  # noqa: N815
    update_existing: Older[Switch] | UnsetType = UNSET
    skipExisting: Older[Switch] | UnsetType = UNSET  # noqa: N815
    skip_existing: Older[Switch] | UnsetType = UNSET
    tags: TagText | UnsetType = UNSET
