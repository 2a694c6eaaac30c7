"""The demo's segments: a dozen, in both dialects' words."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from diglot.api.rules import Words, read_condition
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import NewSegment

_encode = msgspec.json.Encoder().encode
_WORDS: Final = {"misar": MISAR, "topmail": TOPMAIL}


@dataclass(frozen=True, slots=True)
class DemoSegment:
    """A segment in one dialect's words."""

    dialect: str
    name: str
    body: dict[str, Any]
    description: str | None = None
    type: SegmentType = SegmentType.DYNAMIC

    def to_new_segment(self, caller: Caller) -> NewSegment:
        """Return it as the services take it, through the door that every condition passes."""
        words: Words = _WORDS[self.dialect]
        tree = check_condition(read_condition(self.body, words), caller.zone)
        source = OriginalText(self.dialect, _encode(self.body).decode())
        return NewSegment(self.name, Condition(tree, source), self.description, self.type)


def _build_rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, **({"value": value[0]} if value else {})}


def _misar_group(operator: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"operator": operator, "rules": list(rules)}


def _topmail_group(match: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"match": match, "rules": list(rules)}


_SUBSCRIBED: Final = _build_rule("subscribed", "equals", True)

# Oldest first: the last one is at the top of every list.
SEGMENTS: Final = (
    DemoSegment(
        "misar",
        "Decision makers",
        _misar_group(
            "OR",
            _build_rule("job_title", "starts_with", "Chief"),
            _build_rule("job_title", "starts_with", "Head of"),
            _build_rule("job_title", "ends_with", "Director"),
        ),
        "By job title",
    ),
    DemoSegment(
        "misar",
        "Pro and Team plans",
        _misar_group("AND", _build_rule("custom_fields.plan", "in", ["pro", "team"])),
        "By a custom field",
    ),
    DemoSegment(
        "misar",
        "Never opened",
        _misar_group(
            "AND", _build_rule("last_opened_at", "is_empty"), _build_rule("status", "equals", "subscribed")
        ),
    ),
    DemoSegment(
        "misar",
        "Big customers in Europe or on annual plans",
        _misar_group(
            "AND",
            _build_rule("total_spent", "greater_than", 1000),
            _misar_group(
                "OR",
                _build_rule("tags", "contains", "europe"),
                _build_rule("custom_fields.annual", "equals", True),
            ),
        ),
        "A group in a group",
    ),
    DemoSegment(
        "misar",
        "Speaks German and not a partner",
        _misar_group(
            "AND",
            _build_rule("custom_fields.languages", "contains", "de"),
            _build_rule("tags", "not_contains", "partner"),
        ),
        "A list in a custom field",
    ),
    DemoSegment(
        "misar",
        "Webinar guests",
        _misar_group("AND", _build_rule("tags", "contains", "webinar")),
        "Static: evaluated once, then changed by hand",
        SegmentType.STATIC,
    ),
    DemoSegment(
        "topmail", "New this month", _topmail_group("all", _build_rule("created_at", "in_last_days", 30))
    ),
    DemoSegment(
        "topmail",
        "One year with us today",
        _topmail_group("all", _build_rule("created_at", "exactly_days_ago", 365)),
    ),
    DemoSegment(
        "topmail",
        "Gone quiet",
        _topmail_group("all", _SUBSCRIBED, _build_rule("last_opened_at", "more_than_days_ago", 90)),
    ),
    DemoSegment(
        "topmail",
        "Paying in some way",
        _topmail_group(
            "any",
            _build_rule("total_orders", "gt", 0),
            _build_rule("attributes.plan", "in_list", ["starter", "pro", "team"]),
        ),
    ),
    DemoSegment(
        "topmail",
        "Trials with many seats",
        _topmail_group(
            "all", _build_rule("attributes.trial", "equals", True), _build_rule("attributes.seats", "gte", 10)
        ),
    ),
    DemoSegment(
        "topmail",
        "Engaged subscribers",
        _topmail_group("all", _build_rule("engagement_score", "gte", 50), _SUBSCRIBED),
    ),
)
