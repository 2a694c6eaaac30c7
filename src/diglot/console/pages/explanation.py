"""Why somebody is in a segment or not, and what would have to change."""

from typing import Final

from litestar.types import ASGIApp

from diglot.console.verdicts import find_missing, judge_rules
from diglot.console.visit import Visit
from diglot.model.ids import parse_id

_MAX_CONTACT: Final = 300


async def explain(visit: Visit) -> ASGIApp:
    """Explain a contact, given its address or id; an unknown one is told."""
    contact = visit.query.get("contact").strip()
    if not contact or len(contact) > _MAX_CONTACT:
        return visit.show("parts/error.html", messages=["Write the email address of a contact."])
    id_ = parse_id(visit.parameters["id"])
    found = await visit.services.explanations.explain(visit.caller, id_, contact)
    judged = judge_rules(found)
    missing = None if judged is None or found.is_member or not judged.items else find_missing(judged)
    return visit.show("parts/explanation.html", found=found, judged=judged, missing=missing)
