"""Says why a contact is a member of a segment or not, rule by rule, and what would have to change."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from diglot.conditions import dates, tree
from diglot.conditions.computed_fields import SEGMENTS, Anniversary, Sample, find_computed
from diglot.conditions.events.fields import EventField
from diglot.conditions.explain import Verdict, compute_value, find_evidence
from diglot.conditions.fields import FIELDS, FieldKind, attribute_key
from diglot.console.templates import WallClock
from diglot.console.words import Paragraph, SegmentNames, Sentence, say_rule
from diglot.model.contact_views import NO_SURROUNDINGS, view_of
from diglot.model.contacts import SUBSCRIBED
from diglot.model.explanations import Explanation

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class JudgedRule:
    """A rule in words, whether the contact matches it, and what the contact has; empty for nothing."""

    sentence: Sentence
    matches: bool
    value: str


@dataclass(frozen=True, slots=True)
class JudgedGroup:
    """A group: whether all of its items have to be true, whether the contact matches it, and the items."""

    all: bool
    matches: bool
    items: "tuple[JudgedRule | JudgedGroup, ...]"


def judge_rules(explanation: Explanation) -> JudgedGroup | None:
    """Return the verdict on each rule; None for a segment whose members are chosen by hand."""
    root = explanation.verdict
    if root is None:
        return None
    judged = _judge(root, explanation)
    return judged if isinstance(judged, JudgedGroup) else JudgedGroup(True, root.matches, (judged,))


def _judge(verdict: Verdict, explanation: Explanation) -> JudgedRule | JudgedGroup:
    node = verdict.node
    if isinstance(node, tree.All | tree.Any):
        items = tuple(_judge(part, explanation) for part in verdict.parts)
        return JudgedGroup(isinstance(node, tree.All), verdict.matches, items)
    predicate = node.item if isinstance(node, tree.Not) else node
    assert isinstance(predicate, tree.Predicate), "no dialect writes a negated group"
    sentence = say_rule(node, name_segments(explanation))
    return JudgedRule(sentence, verdict.matches, _say_value(predicate, explanation))


def name_segments(explanation: Explanation) -> SegmentNames:
    """Return the names of the segments that the rules name."""
    return {id_: one.segment.name for id_, one in explanation.named.items()}


def find_missing(judged: JudgedRule | JudgedGroup) -> Sentence | Paragraph:
    """Return what would have to become true for a contact that does not match."""
    if isinstance(judged, JudgedRule):
        return judged.sentence
    missing = tuple(find_missing(item) for item in judged.items if not item.matches)
    return Paragraph(judged.all, missing)


def _say_value(predicate: tree.Predicate, explanation: Explanation) -> str:
    """Return what a contact has in the field of a rule, as text; empty for nothing."""
    value = _read_value(predicate, explanation)
    if value is None or value in ("", []):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _read_value(predicate: tree.Predicate, explanation: Explanation) -> Any:
    name, contact = predicate.field, explanation.contact
    if (key := attribute_key(name)) is not None:
        return _decode(contact.attributes).get(key)
    computed = find_computed(name)
    if isinstance(computed, EventField):
        counted = explanation.events[tree.encode(predicate)]
        evidence = find_evidence(predicate, counted, explanation.as_of, explanation.zone)
        return _show_number(evidence.value, explanation, is_instant=computed.is_instant)
    if name == SEGMENTS:
        return ", ".join(one.segment.name for one in explanation.named.values() if one.is_member)
    if isinstance(computed, Sample | Anniversary):
        return compute_value(computed, view_of(contact, NO_SURROUNDINGS, explanation.zone), explanation.as_of)
    if name == "lists":
        return list(explanation.list_ids)
    if name == "subscribed":
        return contact.status == SUBSCRIBED
    if name == "tags":
        return ", ".join(_decode(contact.tags))
    is_instant = FIELDS[name].kind is FieldKind.INSTANT
    return _show_number(getattr(contact, name), explanation, is_instant=is_instant)


def _show_number(value: Any, explanation: Explanation, *, is_instant: bool) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if not is_instant or value is None:
        return value
    return WallClock(explanation.zone.key).moment(value) or dates.format_instant(value)
