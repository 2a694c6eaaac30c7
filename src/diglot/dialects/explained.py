"""Verdicts -> a condition in a dialect's words, each part with whether it is true of the contact."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from diglot.conditions import tree
from diglot.conditions.fields import attribute_key
from diglot.conditions.verdicts import Bounds, Verdict, bounds_of
from diglot.dialects import rules
from diglot.dialects.answers import encode
from diglot.model.contacts import SUBSCRIBED
from diglot.model.explanations import Explanation

_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw])


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
            return self.explanation.lists
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
