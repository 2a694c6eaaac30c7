"""The Misar part of the demo."""

from typing import Any, Final

from diglot.api.demo import Demo, DemoSegment, build_rule
from diglot.model.segments import SegmentType


def _build_group(operator: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"operator": operator, "rules": list(rules)}


# Oldest first; lists show the last one at the top.
DEMO: Final = Demo(
    build_path=lambda segment_id: "segments?limit=5",
    segments=(
        DemoSegment(
            "Decision makers",
            _build_group(
                "OR",
                build_rule("job_title", "starts_with", "Chief"),
                build_rule("job_title", "starts_with", "Head of"),
                build_rule("job_title", "ends_with", "Director"),
            ),
            "By job title",
        ),
        DemoSegment(
            "Pro and Team plans",
            _build_group("AND", build_rule("custom_fields.plan", "in", ["pro", "team"])),
            "By a custom field",
        ),
        DemoSegment(
            "Never opened",
            _build_group(
                "AND", build_rule("last_opened_at", "is_empty"), build_rule("status", "equals", "subscribed")
            ),
        ),
        DemoSegment(
            "Big customers in Europe or on annual plans",
            _build_group(
                "AND",
                build_rule("total_spent", "greater_than", 1000),
                _build_group(
                    "OR",
                    build_rule("tags", "contains", "europe"),
                    build_rule("custom_fields.annual", "equals", True),
                ),
            ),
            "A group in a group",
        ),
        DemoSegment(
            "Speaks German and not a partner",
            _build_group(
                "AND",
                build_rule("custom_fields.languages", "contains", "de"),
                build_rule("tags", "not_contains", "partner"),
            ),
            "A list in a custom field",
        ),
        DemoSegment(
            "Webinar guests",
            _build_group("AND", build_rule("tags", "contains", "webinar")),
            "Static: evaluated once, then changed by hand",
            SegmentType.STATIC,
        ),
    ),
)
