"""Misar's words for conditions in `filter_criteria`, from the vendor's Segments page."""

from dataclasses import replace
from typing import Final

from diglot.api.rules.words import NEW_OPERATORS, Words
from diglot.model.ids import format_prefixed_id

DIALECT_NAME = "misar"


WORDS: Final = Words(
    group_key="operator",
    modes={"AND": "all", "OR": "any"},
    own_operators={
        "equals": "equals",
        "not_equals": "not_equals",
        "contains": "contains",
        "not_contains": "not_contains",
        "starts_with": "starts_with",
        "ends_with": "ends_with",
        "gt": "greater_than",
        "lt": "less_than",
        "before": "before",
        "after": "after",
        "is_empty": "is_empty",
        "is_set": "is_not_empty",
        "in": "in",
        "not_in": "not_in",
    },
    borrowed_operators={
        "gte": "gte",
        "lte": "lte",
        "in_last_days": "in_last_days",
        "more_than_days_ago": "more_than_days_ago",
        "exactly_days_ago": "exactly_days_ago",
        **NEW_OPERATORS,
    },
    attribute_prefix="custom_fields.",
    format_segment_id=format_prefixed_id,
    vendor_fields=(
        *("email", "first_name", "last_name", "phone", "company", "job_title", "source", "status", "tags"),
        *("engagement_score", "lead_score", "created_at", "updated_at"),
    ),
)

# The contacts platform has its own words for some operators; they are accepted there and never shown.
PLATFORM_WORDS: Final = replace(
    WORDS,
    synonyms={"eq": "equals", "neq": "not_equals", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"},
)
