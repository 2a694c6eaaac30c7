"""The schemas of conditions, which no struct can say: a rule may itself be a group."""

from typing import Any, Final

from diglot.conditions.fields import STATUSES
from diglot.dialects.rules import Words

_VALUE: Final = (
    "The operand: text, a number, a boolean, or a list of these for the list operators; a number of days "
    "for the day operators. Ignored where the operator asks only whether the field has a value."
)


def ref(name: str) -> dict[str, str]:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def condition_schemas(group: str, rule: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of a dialect's conditions, its operators and the words they use."""
    extensions = sorted(words.borrowed.values())
    return {
        "ContactStatus": {
            "type": "string",
            "enum": list(STATUSES),
            "description": "The status of a contact.",
        },
        "SegmentType": {
            "type": "string",
            "enum": ["dynamic", "static"],
            "description": "Whether membership follows the condition or is changed by hand.",
        },
        "RuleOperator": {
            "type": "string",
            "enum": [*words.own.values(), *words.borrowed.values()],
            "description": f"Extensions, which the vendor does not have: {', '.join(extensions)}.",
            "x-extensions": extensions,
        },
        "RuleValue": {"description": _VALUE},
        "GroupMode": {
            "type": "string",
            "enum": list(words.modes),
            "description": "Whether all rules of the group have to hold, or any.",
        },
        rule: {
            "type": "object",
            "description": "One rule: a field, an operator, an operand.",
            "properties": {
                "field": {
                    "type": "string",
                    "minLength": 1,
                    "description": f"A contact field, or an attribute as `{words.attribute_prefix}KEY`.",
                },
                "operator": ref("RuleOperator"),
                "value": ref("RuleValue"),
            },
            "required": ["field", "operator"],
            "additionalProperties": False,
        },
        group: {
            "type": "object",
            "description": "A group of rules. Without rules the segment is a draft and matches nobody. "
            "Groups nest to depth 8, with at most 250 rules in all.",
            "properties": {
                words.group_key: ref("GroupMode"),
                "rules": {
                    "type": "array",
                    "maxItems": 250,
                    "items": {"anyOf": [ref(rule), ref(group)]},
                },
            },
            "additionalProperties": False,
        },
    }
