"""Why a contact is a member of a segment, or is not: an extension."""

from typing import Final

from diglot.api.dialect import Call
from diglot.api.extensions import explain
from diglot.api.formatting import in_seconds
from diglot.api.operation import Operation
from diglot.dialects.misar.segments import explain_wire, show
from diglot.dialects.misar.words import WORDS
from diglot.model.explanations import Explanation
from diglot.model.ids import prefixed


@Operation(
    "explainSegment",
    "GET",
    "/segments/{segment_id:str}/explain",
    "segments",
    "Tell whether a contact is a member now, and what each rule says of it (an extension)",
    scope="read",
    query=explain.ExplainQuery,
    answer=explain_wire.ExplainAnswer,
    extension=True,
).handled_by
async def explain_segment(call: Call) -> explain_wire.ExplainAnswer:
    return explain_wire.ExplainAnswer(success=True, data=_shown(await explain.asked(call)))


def _shown(one: Explanation) -> explain_wire.Explained:
    return explain_wire.Explained(
        segment_id=prefixed(one.segment.id),
        contact_id=one.contact.id,
        segment_type=one.segment.type.value,
        is_member=one.is_member,
        filter_criteria=explain.condition(one, explain.Shown(WORDS, show.contact(one.contact), in_seconds)),
        entered_at=None if one.entered is None else show.time(one.entered.at),
        cause=None if one.entered is None else one.entered.cause,
        revision=one.segment.revision,
        as_of=show.time(one.as_of),
    )


ENDPOINTS: Final = (explain_segment,)
