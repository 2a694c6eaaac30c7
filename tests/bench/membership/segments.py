"""The segments of the benchmark: thirty of each kind, in Misar's words.

Dates match those of the contacts: a number of days before the instant for which both are created.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec

from diglot.api.rules.reading import read_condition
from diglot.conditions import tree
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.service.audience.segments import NewSegment

DYNAMIC, RELATIVE, STATIC = "dynamic", "relative", "static"
EACH = 30
Group = dict[str, Any]
# The number of contacts that are added by hand to each of the last static segments.
BY_HAND = {f"by hand: {count:,}": count for count in (1, 10, 100, 1_000, 10_000)}

# The segments that other parts of the benchmark look up by name.
ALMOST_ALL = "has a first name"
REFRESHED = ("score >= 99", "score >= 75", "subscribed")
UNSELECTIVE = (
    "last_opened_at in_last_days 7",
    "last_opened_at more_than_days_ago 90",
    "nested, opened in 30",
)


@dataclass(frozen=True)
class Spec:
    """A segment to create: its kind, its name, its condition as Misar's JSON."""

    kind: str
    name: str
    wire: str

    @property
    def node(self) -> tree.Node:
        """The checked condition."""
        return check_condition(read_condition(msgspec.json.decode(self.wire), WORDS))

    @property
    def new(self) -> NewSegment:
        """The input from which the service creates the segment."""
        kind = SegmentType.STATIC if self.kind == STATIC else SegmentType.DYNAMIC
        return NewSegment(self.name, Condition(self.node, OriginalText("misar", self.wire)), type=kind)


def rule(field: str, operator: str, value: Any = None) -> Group:
    """Return a rule; an operator without an operand has no value."""
    results = {"field": field, "operator": operator}
    return results if value is None else results | {"value": value}


def match_all(*rules_: Group) -> Group:
    """Return a group in which every rule must match."""
    return {"operator": "AND", "rules": list(rules_)}


def match_any(*rules_: Group) -> Group:
    """Return a group in which one rule must match."""
    return {"operator": "OR", "rules": list(rules_)}


def spec(kind: str, name: str, group: Group) -> Spec:
    """Return a segment of a kind; a single rule becomes a group."""
    whole = group if "rules" in group else match_all(group)
    return Spec(kind, name, msgspec.json.encode(whole).decode())


def day(now: int, days: int) -> str:
    """Return the day a number of days before an instant."""
    return str((datetime.fromtimestamp(now // 1_000_000, UTC) - timedelta(days=days)).date())


def all_kinds(now: int) -> list[Spec]:
    """Return thirty segments of each kind."""
    results = [
        *(spec(DYNAMIC, name, group) for name, group in _dynamic(now)),
        *(spec(RELATIVE, name, group) for name, group in _relative()),
        *_static(now),
    ]
    assert [sum(item.kind == kind for item in results) for kind in (DYNAMIC, RELATIVE, STATIC)] == [EACH] * 3
    return results


_SUBSCRIBED = rule("status", "equals", "subscribed")
_VIP = rule("is_vip", "equals", True)
_PRO = rule("plan", "equals", "pro")


def _dynamic(now: int) -> Iterator[tuple[str, Group]]:
    """Yield every family of operators and groups of both modes, from one member to almost all contacts."""
    yield "subscribed", _SUBSCRIBED
    yield "not subscribed", rule("status", "not_equals", "subscribed")
    yield ALMOST_ALL, rule("first_name", "is_not_empty")
    yield "no company", rule("company", "is_empty")
    yield "score >= 99", rule("engagement_score", "gte", 99)
    yield "score >= 75", rule("engagement_score", "gte", 75)
    yield "more than 15 orders", rule("total_orders", "greater_than", 15)
    yield "spent less than 100", rule("total_spent", "less_than", 100)
    yield "few opens, many clicks", match_all(rule("total_opens", "lte", 20), rule("total_clicks", "gte", 25))
    yield "came before", rule("created_at", "before", day(now, 300))
    yield "came after", rule("created_at", "after", day(now, 90))
    yield "never opened", rule("last_opened_at", "is_empty")
    yield "one address", rule("email", "starts_with", "user77@")
    yield "corporate addresses", rule("email", "contains", "@CORP")
    yield "German addresses", rule("email", "ends_with", ".de")
    yield "first name contains", rule("first_name", "contains", "DM")
    yield "first names", rule("first_name", "in", ["Ada", "Hiro", "José"])
    yield "other sources", rule("source", "not_in", ["web", "api"])
    yield "a tag", rule("tags", "contains", "tag-7")
    yield "one of two tags, subscribed", match_all(rule("tags", "in", ["tag-7", "tag-8"]), _SUBSCRIBED)
    yield "without a tag", rule("tags", "not_contains", "tag-7")
    yield "plan is pro", _PRO
    yield "plan is not free", rule("plan", "not_equals", "free")
    yield (
        "enterprises of two countries",
        match_all(rule("country", "in", ["Germany", "France"]), rule("plan", "equals", "enterprise")),
    )
    yield (
        "ltv between",
        match_all(rule("ltv", "gte", 1000), rule("ltv", "lte", 2000), rule("seats", "greater_than", 50)),
    )
    yield "vip and subscribed", match_all(_VIP, _SUBSCRIBED)
    yield (
        "renews early, speaks Japanese",
        match_all(rule("renews_on", "before", "2026-03-01"), rule("langs", "contains", "ja")),
    )
    yield "not met at the fair", rule("note", "not_contains", "fair")
    yield (
        "enterprise or big spender",
        match_any(rule("plan", "equals", "enterprise"), rule("total_spent", "gte", 900)),
    )
    yield (
        "nested",
        match_all(
            _SUBSCRIBED, match_any(_VIP, match_all(_PRO, rule("engagement_score", "greater_than", 80)))
        ),
    )


def _relative() -> Iterator[tuple[str, Group]]:
    """Yield rules with relative dates: alone, with other rules, and under groups of both modes."""
    fields = ("last_opened_at", "last_clicked_at", "last_emailed_at", "created_at", "renews_on")
    words = (
        *(("in_last_days", days) for days in (7, 30)),
        *(("more_than_days_ago", days) for days in (30, 90)),
        ("exactly_days_ago", 3),
    )
    for field, (operator, days) in product(fields, words):
        yield f"{field} {operator} {days}", rule(field, operator, days)
    opened = rule("last_opened_at", "in_last_days", 30)
    yield "bought much, opened in 30", match_all(rule("total_orders", "gte", 10), opened)
    yield "subscribed, opened in 30", match_all(_SUBSCRIBED, opened)
    yield (
        "asleep but written to",
        match_all(
            rule("last_opened_at", "more_than_days_ago", 180), rule("last_emailed_at", "in_last_days", 14)
        ),
    )
    yield "new or awake", match_any(rule("created_at", "in_last_days", 30), opened)
    yield "nested, opened in 30", match_all(_SUBSCRIBED, match_any(opened, match_all(_VIP, _PRO)))


def _static(now: int) -> Iterator[Spec]:
    """Yield segments that keep the contacts matched at creation, and some to be filled by hand."""
    for name, group in list(_dynamic(now))[: EACH - len(BY_HAND)]:
        yield spec(STATIC, f"static: {name}", group)
    for name in BY_HAND:
        yield spec(STATIC, name, match_all())
