"""Why a contact is a member of a segment, or is not: an extension."""

from typing import Final

from diglot.dialects import explained
from diglot.dialects.dialect import Call
from diglot.dialects.numbers import in_milliseconds
from diglot.dialects.operations import Operation
from diglot.dialects.topmail import show, wire_explain
from diglot.dialects.topmail.conditions import WORDS
from diglot.model.explanations import Explanation


@Operation(
    "explainSegment",
    "GET",
    "/segments/{segment_id:str}/explain",
    "segments",
    "Tell whether a contact is a member now, and what each rule says of it (an extension)",
    scope="contacts:read",
    query=explained.ExplainQuery,
    answer=wire_explain.ExplainAnswer,
    extension=True,
).handled_by
async def explain_segment(call: Call) -> wire_explain.ExplainAnswer:
    return wire_explain.ExplainAnswer(_shown(await explained.asked(call)))


def _shown(one: Explanation) -> wire_explain.Explained:
    return wire_explain.Explained(
        segment_id=one.segment.id,
        contact_id=one.contact.id,
        type=one.segment.type.value,
        is_member=one.is_member,
        conditions=explained.condition(
            one, explained.Shown(WORDS, show.contact(one.contact), in_milliseconds)
        ),
        entered_at=None if one.entered is None else show.time(one.entered.at),
        cause=None if one.entered is None else one.entered.cause,
        revision=one.segment.revision,
        as_of=show.time(one.as_of),
    )


ENDPOINTS: Final = (explain_segment,)
