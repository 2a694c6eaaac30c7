"""The Topmail part of the demo."""

from typing import Any, Final

from diglot.api.demo import Demo, DemoSegment, build_rule


def _build_group(match: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"match": match, "rules": list(rules)}


_SUBSCRIBED: Final = build_rule("subscribed", "equals", True)

# Oldest first; lists show the last one at the top.
DEMO: Final = Demo(
    build_path=lambda segment_id: (
        "segments?limit=5" if segment_id is None else f"segments/{segment_id}/contacts?limit=5"
    ),
    segments=(
        DemoSegment("New this month", _build_group("all", build_rule("created_at", "in_last_days", 30))),
        DemoSegment(
            "One year with us today",
            _build_group("all", build_rule("created_at", "exactly_days_ago", 365)),
        ),
        DemoSegment(
            "Gone quiet",
            _build_group("all", _SUBSCRIBED, build_rule("last_opened_at", "more_than_days_ago", 90)),
        ),
        DemoSegment(
            "Paying in some way",
            _build_group(
                "any",
                build_rule("total_orders", "gt", 0),
                build_rule("attributes.plan", "in_list", ["starter", "pro", "team"]),
            ),
        ),
        DemoSegment(
            "Bought in the last 30 days",
            _build_group("all", build_rule("events.purchase.count.30d", "gte", 1)),
            "By what contacts did",
        ),
        DemoSegment(
            "Engaged subscribers",
            _build_group("all", build_rule("engagement_score", "gte", 50), _SUBSCRIBED),
        ),
    ),
)
