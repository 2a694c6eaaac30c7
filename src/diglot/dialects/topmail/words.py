"""Topmail's words for `conditions`, from the vendor's Segments page."""

from typing import Final

from diglot.api.rules.words import NEW_OPERATORS, Words

DIALECT_NAME = "topmail"


WORDS: Final = Words(
    group_key="match",
    modes={"all": "all", "any": "any"},
    own_operators={
        "equals": "equals",
        "not_equals": "not_equals",
        "contains": "contains",
        "gt": "gt",
        "lt": "lt",
        "gte": "gte",
        "lte": "lte",
        "in_last_days": "in_last_days",
        "more_than_days_ago": "more_than_days_ago",
        "exactly_days_ago": "exactly_days_ago",
        "is_set": "is_set",
        "is_empty": "is_not_set",
        "in": "in_list",
        "not_in": "not_in_list",
    },
    borrowed_operators={
        "not_contains": "not_contains",
        "starts_with": "starts_with",
        "ends_with": "ends_with",
        "before": "before",
        "after": "after",
        **NEW_OPERATORS,
    },
    attribute_prefix="attributes.",
    vendor_fields=("email", "first_name", "last_name", "subscribed", "engagement_score", "created_at"),
)
