"""Why a contact is a member of a segment, or is not: an extension."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions import explain
from diglot.api.formatting import in_milliseconds
from diglot.api.operation import Operation
from diglot.dialects.topmail import formatting
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.segments import explain_wire
from diglot.dialects.topmail.words import WORDS
from diglot.model.explanations import Explanation


@handles(
    Operation(
        "explainSegment",
        "GET",
        "/segments/{segment_id:str}/explain",
        "segments",
        "Tell whether a contact is a member now, and what each rule says of it (an extension)",
        scope="contacts:read",
        query=explain.ExplainQuery,
        answer=explain_wire.ExplainAnswer,
        extension=True,
    )
)
async def explain_segment(call: Call) -> explain_wire.ExplainAnswer:
    return explain_wire.ExplainAnswer(_shown(await explain.asked(call)))


def _shown(one: Explanation) -> explain_wire.Explained:
    return explain_wire.Explained(
        segment_id=one.segment.id,
        contact_id=one.contact.id,
        type=one.segment.type.value,
        is_member=one.is_member,
        conditions=explain.condition(
            one, explain.Shown(WORDS, contacts_show.contact(one.contact), in_milliseconds)
        ),
        entered_at=None if one.entry_origin is None else formatting.time(one.entry_origin.at),
        cause=None if one.entry_origin is None else one.entry_origin.cause,
        revision=one.segment.revision,
        as_of=formatting.time(one.as_of),
    )


ENDPOINTS: Final = (explain_segment,)
