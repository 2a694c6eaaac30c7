"""The demo's segments: a dozen, in both dialects' words."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from diglot.api.rules import Words, read
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import NewSegment

_encode = msgspec.json.Encoder().encode
_WORDS: Final = {"misar": MISAR, "topmail": TOPMAIL}


@dataclass(frozen=True, slots=True)
class Example:
    """A segment in one dialect's words."""

    dialect: str
    name: str
    body: dict[str, Any]
    description: str | None = None
    type: SegmentType = SegmentType.DYNAMIC

    def new(self, caller: Caller) -> NewSegment:
        """Return it as the services take it, through the door that every condition passes."""
        words: Words = _WORDS[self.dialect]
        tree = check_condition(read(self.body, words), caller.zone)
        source = OriginalText(self.dialect, _encode(self.body).decode())
        return NewSegment(self.name, Condition(tree, source), self.description, self.type)


def _rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, **({"value": value[0]} if value else {})}


def _misar(operator: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"operator": operator, "rules": list(rules)}


def _topmail(match: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"match": match, "rules": list(rules)}


_SUBSCRIBED: Final = _rule("subscribed", "equals", True)

# Oldest first: the last one is at the top of every list.
SEGMENTS: Final = (
    Example(
        "misar",
        "Decision makers",
        _misar(
            "OR",
            _rule("job_title", "starts_with", "Chief"),
            _rule("job_title", "starts_with", "Head of"),
            _rule("job_title", "ends_with", "Director"),
        ),
        "By job title",
    ),
    Example(
        "misar",
        "Pro and Team plans",
        _misar("AND", _rule("custom_fields.plan", "in", ["pro", "team"])),
        "By a custom field",
    ),
    Example(
        "misar",
        "Never opened",
        _misar("AND", _rule("last_opened_at", "is_empty"), _rule("status", "equals", "subscribed")),
    ),
    Example(
        "misar",
        "Big customers in Europe or on annual plans",
        _misar(
            "AND",
            _rule("total_spent", "greater_than", 1000),
            _misar("OR", _rule("tags", "contains", "europe"), _rule("custom_fields.annual", "equals", True)),
        ),
        "A group in a group",
    ),
    Example(
        "misar",
        "Speaks German and not a partner",
        _misar(
            "AND",
            _rule("custom_fields.languages", "contains", "de"),
            _rule("tags", "not_contains", "partner"),
        ),
        "A list in a custom field",
    ),
    Example(
        "misar",
        "Webinar guests",
        _misar("AND", _rule("tags", "contains", "webinar")),
        "Static: evaluated once, then changed by hand",
        SegmentType.STATIC,
    ),
    Example("topmail", "New this month", _topmail("all", _rule("created_at", "in_last_days", 30))),
    Example(
        "topmail", "One year with us today", _topmail("all", _rule("created_at", "exactly_days_ago", 365))
    ),
    Example(
        "topmail",
        "Gone quiet",
        _topmail("all", _SUBSCRIBED, _rule("last_opened_at", "more_than_days_ago", 90)),
    ),
    Example(
        "topmail",
        "Paying in some way",
        _topmail(
            "any",
            _rule("total_orders", "gt", 0),
            _rule("attributes.plan", "in_list", ["starter", "pro", "team"]),
        ),
    ),
    Example(
        "topmail",
        "Trials with many seats",
        _topmail("all", _rule("attributes.trial", "equals", True), _rule("attributes.seats", "gte", 10)),
    ),
    Example(
        "topmail",
        "Engaged subscribers",
        _topmail("all", _rule("engagement_score", "gte", 50), _SUBSCRIBED),
    ),
)
