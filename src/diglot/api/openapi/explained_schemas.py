"""Schemas of explained conditions, written by hand because a rule may be a nested group."""

from collections.abc import Mapping
from typing import Any, Final

from diglot.api.annotations import json_reference
from diglot.api.rules.words import Words

_MATCHES_SCHEMA: Final = {"type": "boolean", "description": "Whether the contact matches."}
_INSTANT_SCHEMA: Final = {"type": "string", "format": "date-time"}
_RESOLVED_DAYS_SCHEMA: Final = {
    "type": "object",
    "description": "The time range that the days or hours of a rule stand for now, in the workspace's time "
    "zone: at or after `from`, at or before `to`, earlier than `before`.",
    "properties": {"from": _INSTANT_SCHEMA, "to": _INSTANT_SCHEMA, "before": _INSTANT_SCHEMA},
    "additionalProperties": False,
}
# What only rules about events have.
_OF_EVENTS: Final = {
    "events": {
        "type": "array",
        "items": _INSTANT_SCHEMA,
        "description": "The times of the newest 64 events that the rule counts, newest first; only for rules "
        "about events.",
    },
    "until": {
        "anyOf": [_INSTANT_SCHEMA, {"type": "null"}],
        "description": "Until then the verdict stays as it is, unless there are more events; null if time "
        "does not change it. Only for rules about events.",
    },
}
# What only rules about segments have.
_OF_SEGMENTS: Final = {
    "segments": {
        "type": "array",
        "items": json_reference("ExplainedSegment"),
        "description": "The segments that the rule names, at most 20, those that contain the contact first; "
        "only for rules about segments.",
    },
}


def build_explained_schemas(words: Words) -> dict[str, Any]:
    """Return the named schemas of conditions in which each rule and group has a verdict."""
    return {
        "ExplainedGroup": _object_schema(
            "A group of rules, and whether the contact matches it.",
            {
                words.group_key: json_reference("GroupMode"),
                "matches": _MATCHES_SCHEMA,
                "rules": {"type": "array", "items": json_reference("ExplainedItem")},
            },
        ),
        "ExplainedItem": {
            "description": "A rule or a nested group.",
            "oneOf": [json_reference("ExplainedRule"), json_reference("ExplainedGroup")],
        },
        "ExplainedRule": _object_schema(
            "A rule, whether the contact matches it, and the value that it was compared with.",
            {
                "rule": json_reference("Rule"),
                "matches": _MATCHES_SCHEMA,
                "value": json_reference("StoredValue"),
                "resolved": {"anyOf": [json_reference("ResolvedDays"), {"type": "null"}]},
            },
            {**_OF_EVENTS, **_OF_SEGMENTS},
        ),
        "ExplainedSegment": _build_segment_schema(),
        "ResolvedDays": _RESOLVED_DAYS_SCHEMA,
        "StoredValue": {"description": "The contact's value of the field; null if it has none."},
    }


def _build_segment_schema() -> dict[str, Any]:
    return _object_schema(
        "A segment that a rule names, and when and why the contact entered, if that is known.",
        {
            "segment_id": {"type": "string", "description": "The id of the segment."},
            "name": {"type": "string", "description": "The name of the segment."},
            "is_member": {"type": "boolean", "description": "Whether the segment contains the contact."},
            "entered_at": {"anyOf": [_INSTANT_SCHEMA, {"type": "null"}]},
            "cause": {"anyOf": [json_reference("Cause"), {"type": "null"}]},
        },
    )


def _object_schema(
    description: str, properties: dict[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": False,
    }
