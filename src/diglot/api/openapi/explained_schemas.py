"""The schemas of explained conditions: as with conditions, a rule may itself be a group."""

from typing import Any, Final

from diglot.api.annotations import json_reference
from diglot.api.rules import Words

_MATCHES_SCHEMA: Final = {"type": "boolean", "description": "Whether it is true of the contact."}
_INSTANT_SCHEMA: Final = {"type": "string", "format": "date-time"}
_RESOLVED_DAYS_SCHEMA: Final = {
    "type": "object",
    "description": "The instants that the days of a rule stand for at this moment in the workspace's time "
    "zone: at or after `from`, at or before `to`, earlier than `before`.",
    "properties": {"from": _INSTANT_SCHEMA, "to": _INSTANT_SCHEMA, "before": _INSTANT_SCHEMA},
    "additionalProperties": False,
}


def build_explained_schemas(words: Words) -> dict[str, Any]:
    """Return the named schemas of conditions in which each part has a verdict."""
    return {
        "ExplainedGroup": _object_schema(
            "A group of rules, and whether it is true of the contact.",
            {
                words.group_key: json_reference("GroupMode"),
                "matches": _MATCHES_SCHEMA,
                "rules": {"type": "array", "items": json_reference("ExplainedItem")},
            },
        ),
        "ExplainedItem": {
            "description": "A rule, or a group in its place.",
            "oneOf": [json_reference("ExplainedRule"), json_reference("ExplainedGroup")],
        },
        "ExplainedRule": _object_schema(
            "A rule, whether it is true of the contact, and what it was asked of.",
            {
                "rule": json_reference("Rule"),
                "matches": _MATCHES_SCHEMA,
                "value": json_reference("StoredValue"),
                "resolved": {"anyOf": [json_reference("ResolvedDays"), {"type": "null"}]},
            },
        ),
        "ResolvedDays": _RESOLVED_DAYS_SCHEMA,
        "StoredValue": {"description": "What the contact has in the field; null where it has nothing."},
    }


def _object_schema(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
