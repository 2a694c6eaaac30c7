"""The form of a segment: empty, as it is stored, or as the person has it after a change of the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from litestar.types import ASGIApp

from diglot.console.builder.draft import Draft, Messages, read_draft, show_draft, with_condition
from diglot.console.builder.editing import NEW_RULE, change_rules
from diglot.console.builder.fields import ANNIVERSARY_SOURCES
from diglot.console.builder.nodes import GroupForm
from diglot.console.builder.pasting import read_pasted, say_faults
from diglot.console.builder.views import Drawing
from diglot.console.forms import Form
from diglot.console.visit import Visit
from diglot.dialects.registry import DIALECTS
from diglot.errors import InvalidInput
from diglot.model.dry_runs import DryRun
from diglot.model.ids import parse_id
from diglot.service.audience.vocabulary import Vocabulary

_NO_MESSAGES: Final[Mapping[str, Sequence[str]]] = {}
_UNITS: Final = (
    ("", "ever"),
    ("d", "last … days"),
    ("h", "last … hours"),
    ("m", "last … minutes"),
)


@dataclass(frozen=True, slots=True)
class Review:
    """What saving would change, shown before it is saved; without `run` that cannot be told in time.

    `digest` stands for the change, and `is_overwriting` tells that somebody changed the rules meanwhile.
    """

    digest: str
    run: DryRun | None
    is_overwriting: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What a form shows beside the segment: faults, what to review, and the pasted text with its faults."""

    faults: Messages = field(default_factory=lambda: _NO_MESSAGES)
    review: Review | None = None
    focus: str = ""
    pasted: str = ""
    pasted_as: str = ""
    paste_faults: Sequence[str] = ()
    note: str = ""


async def show_form(visit: Visit, draft: Draft, beside: Beside, known: Vocabulary | None = None) -> ASGIApp:
    """Show the form, or the whole page with it."""
    known = known or await visit.services.attribute_keys.load_vocabulary(visit.caller)
    drawing = Drawing(known, draft.segment)
    rules = drawing.draw_rules(draft.rules)
    return visit.show(
        "builder/form.html" if visit.is_part else "builder/page.html",
        status=200 if visit.is_part or not beside.faults else 400,
        draft=draft,
        rules=rules,
        drawing=drawing,
        beside=beside,
        units=_UNITS,
        anniversary_sources=ANNIVERSARY_SOURCES,
        dialects=DIALECTS,
    )


async def show_new(visit: Visit) -> ASGIApp:
    """Show the form of a new segment, with a first rule to fill in."""
    return await show_form(visit, Draft(rules=GroupForm(items=(NEW_RULE,))), Beside())


async def show_edit(visit: Visit) -> ASGIApp:
    """Show a stored segment in the form."""
    segment = await visit.services.segments.get(visit.caller, parse_id(visit.parameters["id"]))
    return await show_form(visit, show_draft(segment), Beside())


async def rebuild(visit: Visit) -> ASGIApp:
    """Show the form again after a rule was added, removed or chosen anew, or rules were pasted."""
    form = await visit.read_form()
    draft = read_draft(form)
    if form.get("do") == "paste":
        return await _paste(visit, draft, form)
    known = await visit.services.attribute_keys.load_vocabulary(visit.caller)
    rules, focus = change_rules(draft.rules, form.get("do"), known)
    beside = Beside(focus=focus, pasted=form.get("pasted"), pasted_as=form.get("pasted_as"))
    return await show_form(visit, replace(draft, rules=rules), beside, known)


async def _paste(visit: Visit, draft: Draft, form: Form) -> ASGIApp:
    """Replace the rules by pasted ones; if these have faults, the rules stay as they are."""
    text, wanted = form.get("pasted"), form.get("pasted_as")
    try:
        pasted = read_pasted(text, wanted, strict=visit.services.strict)
    except InvalidInput as invalid:
        beside = Beside(pasted=text, pasted_as=wanted, paste_faults=say_faults(invalid))
        return await show_form(visit, draft, beside)
    note = f"The pasted rules were read as those of {pasted.title}. They replace what was here."
    return await show_form(visit, with_condition(draft, pasted.node, pasted.dialect), Beside(note=note))
