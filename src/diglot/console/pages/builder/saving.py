"""Saves the segment in a form by the use cases that the APIs have. A change of rules is shown before."""

from asyncio import to_thread
from dataclasses import replace
from hashlib import blake2b

from litestar.types import ASGIApp
from msgspec import UNSET

from diglot.conditions import tree
from diglot.conditions.computed_fields import SEGMENTS
from diglot.console.answers import Redirect
from diglot.console.builder.draft import Draft, check_draft, explain_faults, read_draft
from diglot.console.pages.builder.forms import Beside, Review, show_form
from diglot.console.pages.builder.live import run_dry
from diglot.console.visit import Visit
from diglot.errors import Conflict, DiglotError, InvalidInput, LimitReached, Unavailable
from diglot.model.ids import parse_id
from diglot.model.segments import Condition, Segment
from diglot.service.audience.segments import NewSegment, SegmentPatch


async def create(visit: Visit) -> ASGIApp:
    """Create the segment, and go to its page."""
    draft = replace(read_draft(await visit.read_form()), segment="")
    checked = check_draft(draft, strict=visit.services.strict)
    if checked.condition is None or checked.faults:
        return await show_form(visit, draft, Beside(checked.faults))
    new = NewSegment(draft.name, checked.condition, draft.description or None, draft.type)
    await to_thread(visit.services.segments.prepare, visit.caller, new)
    try:
        segment = await visit.services.segments.create(visit.caller, new)
    except (InvalidInput, LimitReached) as refused:
        return await _show_refusal(visit, draft, refused)
    return Redirect(f"/console/segments/{segment.id}")


async def update(visit: Visit) -> ASGIApp:
    """Change the segment, and go to its page; other rules are saved after the page has shown their effect."""
    stored = await visit.services.segments.get(visit.caller, parse_id(visit.parameters["id"]))
    draft = replace(read_draft(await visit.read_form()), segment=stored.id, type=stored.type)
    checked = check_draft(draft, strict=visit.services.strict)
    if checked.condition is None or checked.faults:
        return await show_form(visit, draft, Beside(checked.faults))
    try:
        if _changes_rules(stored, checked.condition):
            digest = _digest(stored, checked.condition)
            if draft.reviewed != digest:
                return await _review(visit, draft, stored, checked.condition, digest)
        change = _build_patch(draft, checked.condition)
        await visit.services.segments.update(visit.caller, stored.id, change, stored.revision)
    except Conflict:
        return await update(visit)  # the rules were changed since they were read here
    except (InvalidInput, LimitReached) as refused:
        return await _show_refusal(visit, draft, refused)
    return Redirect(f"/console/segments/{stored.id}")


def _build_patch(draft: Draft, condition: Condition) -> SegmentPatch:
    """Return the change without the texts that the person left as they were: others may change them."""
    return SegmentPatch(
        UNSET if draft.name == draft.shown_name else draft.name,
        UNSET if draft.description == draft.shown_description else draft.description or None,
        condition,
    )


async def _review(visit: Visit, draft: Draft, stored: Segment, condition: Condition, digest: str) -> ASGIApp:
    """Show who would enter and leave, with a button that saves exactly this."""
    try:
        run = await run_dry(visit, draft, condition)
    except Unavailable:
        run = None
    review = Review(digest, run, is_overwriting=draft.revision != stored.revision)
    reviewed = replace(draft, reviewed=digest, revision=stored.revision)
    return await show_form(visit, reviewed, Beside(review=review))


def _changes_rules(stored: Segment, condition: Condition) -> bool:
    """Tell whether saving could change who is a member, also if equal rules make a segment valid again."""
    was_reset = any(deleted.field != SEGMENTS for deleted in stored.deleted_references)
    return was_reset or tree.encode(stored.condition.tree) != tree.encode(condition.tree)


def _digest(stored: Segment, condition: Condition) -> str:
    """Return what stands for the change of these stored rules to others."""
    text = f"{stored.revision}\0{tree.encode(condition.tree)}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


async def _show_refusal(visit: Visit, draft: Draft, refused: DiglotError) -> ASGIApp:
    """Show the form with the faults beside the rules that they belong to; nothing was saved."""
    faults = (
        explain_faults(refused.faults, draft.rules)
        if isinstance(refused, InvalidInput)
        else {"": [str(refused)]}
    )
    return await show_form(visit, draft, Beside(faults))
