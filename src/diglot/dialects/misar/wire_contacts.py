"""The shapes of Misar's contact calls that are past one contact: lists, many at once, scores, files."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from diglot.dialects.misar import pages, wire

_SORTS: Final = {"enum": list(pages.SORTS)}


class ContactPageQuery(msgspec.Struct, frozen=True):
    """Which page of whom, or which contact."""

    page: Annotated[int, Meta(ge=1, description="Page number, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Results per page; more than 100 is read as 100.")] = 50
    id: Annotated[str, Meta(description="Answer this one contact, as the vendor's clients ask.")] = ""
    search: Annotated[str, Meta(description="Up to 50 words, each part of the email or of a name.")] = ""
    status: Annotated[wire.StatusWord, Meta(description="Only contacts of this status.")] = ""
    segment_id: Annotated[str, Meta(description="Only members of this segment; 404 without it.")] = ""
    segmentId: Annotated[str, Meta(description="Another spelling of `segment_id`.")] = ""  # noqa: N815
    sort: Annotated[
        str,
        Meta(
            description="The order: who has no score comes last either way, equals stand newest first. "
            "Without it the newest come first. All but `engagement_asc` are an extension.",
            extra_json_schema=_SORTS,
        ),
    ] = ""
