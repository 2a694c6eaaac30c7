"""The schemas of explained conditions: as with conditions, a rule may itself be a group."""

from typing import Any, Final

from diglot.api.openapi.annotations import ref
from diglot.api.rules import Words

_MATCHES: Final = {"type": "boolean", "description": "Whether it is true of the contact."}
_INSTANT: Final = {"type": "string", "format": "date-time"}
_DAYS: Final = {
    "type": "object",
    "description": "The instants that the days of a rule stand for at this moment in the workspace's time "
    "zone: at or after `from`, at or before `to`, earlier than `before`.",
    "properties": {"from": _INSTANT, "to": _INSTANT, "before": _INSTANT},
    "additionalProperties": False,
}


def explained_schemas(words: Words) -> dict[str, Any]:
    """Return the named schemas of conditions in which each part has a verdict."""
    return {
        "ExplainedGroup": _object(
            "A group of rules, and whether it is true of the contact.",
            {
                words.group_key: ref("GroupMode"),
                "matches": _MATCHES,
                "rules": {"type": "array", "items": ref("ExplainedItem")},
            },
        ),
        "ExplainedItem": {
            "description": "A rule, or a group in its place.",
            "oneOf": [ref("ExplainedRule"), ref("ExplainedGroup")],
        },
        "ExplainedRule": _object(
            "A rule, whether it is true of the contact, and what it was asked of.",
            {
                "rule": ref("Rule"),
                "matches": _MATCHES,
                "value": ref("StoredValue"),
                "resolved": {"anyOf": [ref("ResolvedDays"), {"type": "null"}]},
            },
        ),
        "ResolvedDays": _DAYS,
        "StoredValue": {"description": "What the contact has in the field; null where it has nothing."},
    }


def _object(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
