"""Explanations: which contact a call asks for, and its verdicts as a condition in a dialect's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from diglot.api import rules
from diglot.api.call import Call
from diglot.api.input import query_string
from diglot.api.responses import encode
from diglot.conditions import tree
from diglot.conditions.explain import Bounds, Verdict, bounds_of
from diglot.conditions.fields import attribute_key
from diglot.model.contacts import SUBSCRIBED
from diglot.model.explanations import Explanation
from diglot.model.ids import parse_id

_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ExplainQuery(msgspec.Struct, frozen=True):
    """Which contact."""

    contact: Annotated[str, Meta(min_length=1, description="The contact's id, or its email.")]


async def asked(call: Call) -> Explanation:
    """Explain the contact of the query to whoever asks about the segment of the path."""
    id_ = parse_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        contact = query_string.name(call.query, "contact")
    return await call.services.explanations.explain(call.caller, id_, contact)


@dataclass(frozen=True, slots=True)
class Shown:
    """How a dialect says it: its words, the contact as its answers have it, how it prints an instant."""

    words: rules.Words
    contact: msgspec.Struct
    instant: Callable[[int | None], str | None]


def condition(explanation: Explanation, shown: Shown) -> msgspec.Raw | None:
    """Return the condition with its verdicts as JSON; None where it decides nothing."""
    if explanation.verdict is None:
        return None
    root = explanation.verdict
    if not isinstance(root.node, tree.All | tree.Any):
        root = Verdict(rules.as_group(root.node), root.matches, (root,))
    attributes = _attributes.decode(explanation.contact.attributes)
    return msgspec.Raw(encode(_Writer(explanation, shown, attributes).item(root)))


@dataclass(frozen=True, slots=True)
class _Writer:
    explanation: Explanation
    shown: Shown
    attributes: Mapping[str, msgspec.Raw]

    def item(self, verdict: Verdict) -> dict[str, Any]:
        node, words = verdict.node, self.shown.words
        if isinstance(node, tree.All | tree.Any):
            parts = [self.item(part) for part in verdict.parts]
            return {words.group_key: rules.mode(node, words), "matches": verdict.matches, rules.RULES: parts}
        predicate = node.item if isinstance(node, tree.Not) else node
        assert isinstance(predicate, tree.Predicate)
        return {
            "rule": rules.rule(node, words),
            "matches": verdict.matches,
            "value": self.value(predicate.field),
            "resolved": self.resolved(predicate),
        }

    def value(self, field: str) -> Any:
        """Return what is stored under a field, as answers show it; None where it is missing."""
        if (key := attribute_key(field)) is not None:
            return self.attributes.get(key)
        if field == "lists":
            return self.explanation.list_ids
        if field == "subscribed":
            return self.explanation.contact.status == SUBSCRIBED
        return getattr(self.shown.contact, field)

    def resolved(self, predicate: tree.Predicate) -> dict[str, str | None] | None:
        """Return the instants that a number of days stands for, None where the rule has none."""
        bounds = bounds_of(predicate, self.explanation.as_of, self.explanation.zone)
        return None if bounds is None else self._named(bounds)

    def _named(self, bounds: Bounds) -> dict[str, str | None]:
        named = {"from": bounds.first, "to": bounds.last, "before": bounds.end}
        return {name: self.shown.instant(at) for name, at in named.items() if at is not None}
