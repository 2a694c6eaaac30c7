"""Explanations: why a contact is or is not a member of a segment, with a verdict for each rule."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta

from diglot.api.annotations import Uuid, refused_as, schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import Revision
from diglot.api.extensions.format import TAG, ExtensionFormat, SegmentTypeWord, define_struct
from diglot.api.operation import Operation
from diglot.api.responses import encode_json
from diglot.api.rules.words import RULES
from diglot.api.rules.writing import as_group, mode_word, write_rule
from diglot.api.warnings import Warnings, warn
from diglot.conditions import tree
from diglot.conditions.analysis.segment_references import referenced_ids
from diglot.conditions.computed_fields import Anniversary, Sample, SegmentField, find_computed
from diglot.conditions.contact_view import BIG_INTEGER_FROM
from diglot.conditions.events.fields import EventField
from diglot.conditions.events.states import MAX_RECENT
from diglot.conditions.explain import Bounds, RuleEvents, Verdict, bounds_of, compute_value, find_evidence
from diglot.conditions.fields import attribute_key
from diglot.model.contact_views import NO_SURROUNDINGS, view_of
from diglot.model.contacts import SUBSCRIBED
from diglot.model.explanations import Explanation, NamedSegment
from diglot.model.ids import parse_id
from diglot.model.membership_changes import Cause

# A rule may name thousands of segments; those that contain the contact are shown first.
_MOST_SEGMENTS: Final = 20
_attributes_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ExplainQuery(msgspec.Struct, frozen=True):
    """The contact to explain."""

    contact: Annotated[
        str,
        Meta(min_length=1, description="The id or the email address of the contact."),
        refused_as("String is blank"),
    ]


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the endpoint of a dialect that explains a membership."""
    answer = _Answer(form)
    operation = Operation(
        "explainSegment",
        "GET",
        "/segments/{segment_id:str}/explain",
        TAG,
        "Explain whether a contact is a member now, with a verdict for each rule (an extension)",
        scope=form.scope,
        query=ExplainQuery,
        response=answer.struct,
        extension=True,
    )
    return Endpoint(operation, answer.explain)


class _Answer:
    """Renders an explanation in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        self._data = define_struct(
            "Explained",
            "Whether a contact is a member at `as_of`, with a verdict for each rule.\n\n"
            f"`{form.condition_key}` is null for a static segment, because its rules are not evaluated. "
            "`entered_at` and `cause` say when and why the contact became a member, if known.",
            [
                ("segment_id", form.segment_id),
                ("contact_id", Uuid),
                (form.type_key, SegmentTypeWord),
                ("is_member", bool),
                (form.condition_key, Annotated[msgspec.Raw, schema_ref("ExplainedGroup")] | None),
                ("entered_at", form.time | None),
                ("cause", Cause | None),
                ("revision", Revision),
                ("as_of", form.time),
                ("warnings", Warnings, UNSET),
                form.define_cause_segment(),
            ],
        )
        self.struct = form.define_answer("ExplainAnswer", "One contact, explained.", self._data)

    async def explain(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["segment_id"])
        async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
            contact = call.read_query(ExplainQuery).contact
        found = await call.services.explanations.explain(call.caller, id_, contact)
        warned = await warn(call, found.segment.rules, self._form.condition_key)
        return self.struct(**self._form.envelope, data=self._to_wire(found, warned))

    def _to_wire(self, one: Explanation, warned: Warnings) -> msgspec.Struct:
        form, entry = self._form, one.entry_origin
        members = {
            "segment_id": form.format_segment_id(one.segment.id),
            "contact_id": one.contact.id,
            form.type_key: one.segment.type.value,
            "is_member": one.is_member,
            form.condition_key: render_condition(one, form),
            "entered_at": entry and form.format_time(entry.at),
            "cause": entry and entry.cause,
            "revision": one.segment.revision,
            "as_of": form.format_time(one.as_of),
            "warnings": warned,
            "cause_segment_id": form.show_cause_segment(one.cause_segment_id),
        }
        return self._data(**members)


def render_condition(explanation: Explanation, form: ExtensionFormat) -> msgspec.Raw | None:
    """Return the condition with its verdicts as JSON, or None for a static segment."""
    if explanation.verdict is None:
        return None
    root = explanation.verdict
    if not isinstance(root.node, tree.All | tree.Any):
        root = Verdict(as_group(root.node), root.matches, (root,))
    attributes = _attributes_decoder.decode(explanation.contact.attributes)
    writer = _VerdictWriter(explanation, form, form.show_contact(explanation.contact), attributes)
    return msgspec.Raw(encode_json(writer.render_item(root)))


class _VerdictWriter(msgspec.Struct, frozen=True):
    explanation: Explanation
    form: ExtensionFormat
    contact: msgspec.Struct
    attributes: Mapping[str, msgspec.Raw]

    def render_item(self, verdict: Verdict) -> dict[str, Any]:
        node, words = verdict.node, self.form.words
        if isinstance(node, tree.All | tree.Any):
            parts = [self.render_item(part) for part in verdict.parts]
            return {
                words.group_key: mode_word(node, words),
                "matches": verdict.matches,
                RULES: parts,
            }
        predicate = node.item if isinstance(node, tree.Not) else node
        assert isinstance(predicate, tree.Predicate)
        told = {"rule": write_rule(node, words), "matches": verdict.matches}
        computed = find_computed(predicate.field)
        if isinstance(computed, EventField):
            return told | self.show_evidence(predicate, computed)
        if isinstance(computed, SegmentField):
            return told | self.show_segments(predicate)
        return told | {
            "value": self.stored_value(predicate.field) if computed is None else self.compute_value(computed),
            "resolved": self.resolve_duration(predicate),
        }

    def show_evidence(self, predicate: tree.Predicate, field: EventField) -> dict[str, Any]:
        """Return what decides a rule about events."""
        one = self.explanation
        counted = one.events.get(tree.encode(predicate), RuleEvents())
        evidence = find_evidence(predicate, counted, one.as_of, one.zone)
        window = None if evidence.bounds is None else self._format_bounds(evidence.bounds)
        return {
            "value": self.format_value(evidence.value, field),
            "resolved": window or self.resolve_duration(predicate),
            "events": [self.form.format_time(at) for at in evidence.events[:MAX_RECENT]],
            "until": self.format_instant(evidence.until),
        }

    def show_segments(self, predicate: tree.Predicate) -> dict[str, Any]:
        """Return which of the segments that a rule names contain the contact, and why."""
        named = [self.explanation.named[id_] for id_ in referenced_ids(predicate)]
        shown = sorted(named, key=lambda one: not one.is_member)[:_MOST_SEGMENTS]
        value = [self.form.format_segment_id(one.segment.id) for one in named if one.is_member]
        return {"value": value, "resolved": None, "segments": list(map(self.show_segment, shown))}

    def show_segment(self, one: NamedSegment) -> dict[str, Any]:
        """Return whether the contact is in a segment, and since when and why."""
        entry = one.entry_origin
        return {
            "segment_id": self.form.format_segment_id(one.segment.id),
            "name": one.segment.name,
            "is_member": one.is_member,
            "entered_at": entry and self.form.format_time(entry.at),
            "cause": entry and entry.cause,
        }

    def format_value(self, value: int | Decimal | None, field: EventField) -> float | str | None:
        """Return a number or an instant as responses show it; a sum that is whole has no fraction."""
        if isinstance(value, Decimal):
            is_whole = value == value.to_integral_value() and abs(value) < BIG_INTEGER_FROM
            return int(value) if is_whole else float(value)
        return self.format_instant(value) if field.is_instant else value

    def format_instant(self, instant: int | None) -> str | None:
        """Return an instant as responses show it."""
        return None if instant is None else self.form.format_time(instant)

    def compute_value(self, field: Sample | Anniversary) -> float | None:
        """Return the value of a sample or an anniversary, or None if it is missing."""
        one = self.explanation
        return compute_value(field, view_of(one.contact, NO_SURROUNDINGS, one.zone), one.as_of)

    def stored_value(self, field: str) -> Any:
        """Return the stored value of a field as responses show it, or None if it is missing."""
        if (key := attribute_key(field)) is not None:
            return self.attributes.get(key)
        if field == "lists":
            return self.explanation.list_ids
        if field == "subscribed":
            return self.explanation.contact.status == SUBSCRIBED
        return getattr(self.contact, field)

    def resolve_duration(self, predicate: tree.Predicate) -> dict[str, str | None] | None:
        """Return the time range that the days or hours of a rule stand for, or None without such."""
        bounds = bounds_of(predicate, self.explanation.as_of, self.explanation.zone)
        return None if bounds is None else self._format_bounds(bounds)

    def _format_bounds(self, bounds: Bounds) -> dict[str, str | None]:
        named = {"from": bounds.first, "to": bounds.last, "before": bounds.end}
        return {name: self.form.format_time(at) for name, at in named.items() if at is not None}
