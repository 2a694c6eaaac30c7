"""The schemas of conditions, which no struct can say: a rule may itself be a group."""

from typing import Any, Final

from diglot.api.annotations import EXTENSION_KEY, enumeration_schema, json_reference
from diglot.api.rules import Words
from diglot.conditions.fields import CATALOGUE, STATUSES

_VALUE_DESCRIPTION: Final = (
    "The operand: text, a number, a boolean, or a list of these for the list operators; a number of days "
    "for the day operators. Ignored where the operator asks only whether the field has a value."
)


def build_condition_schemas(group: str, rule: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of a dialect's conditions, its operators and the words they use."""
    return {
        "ContactStatus": enumeration_schema("The status of a contact.", STATUSES),
        "SegmentType": enumeration_schema(
            "Whether membership follows the condition or is changed by hand.", ("dynamic", "static")
        ),
        "RuleField": _field_schema(words),
        "RuleValue": {"description": _VALUE_DESCRIPTION},
        "GroupMode": enumeration_schema("Whether all rules of the group have to hold, or any.", words.modes),
        **build_group_schemas(group, rule, "RuleOperator", words),
    }


def _build_rule_schema(operator: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "One rule: a field, an operator, an operand.",
        "properties": {
            "field": json_reference("RuleField"),
            "operator": json_reference(operator),
            "value": json_reference("RuleValue"),
        },
        "required": ["field", "operator"],
        "additionalProperties": False,
    }


def build_group_schemas(group: str, rule: str, operator: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of groups and rules whose operators are these words."""
    own, borrowed = words.own_operators.values(), words.borrowed_operators.values()
    every = dict.fromkeys([*own, *borrowed, *words.synonyms])
    return {
        operator: enumeration_schema("What a rule asks of the field.", every, sorted(borrowed)),
        rule: _build_rule_schema(operator),
        group: {
            "type": "object",
            "description": "A group of rules. Of a segment, an empty list makes a draft, which matches "
            "nobody. Groups nest to depth 8, with at most 250 rules in all.",
            "properties": {
                words.group_key: json_reference("GroupMode"),
                "rules": {"type": "array", "maxItems": 250, "items": json_reference(f"{group}Item")},
            },
            "required": ["rules"],
            "additionalProperties": False,
        },
        f"{group}Item": {
            "description": "A rule, or a group in its place.",
            "oneOf": [json_reference(rule), json_reference(group)],
        },
    }


def _field_schema(words: Words) -> dict[str, Any]:
    """Return the schema of a field's name: those of the catalogue, open to attributes."""
    names = [field.name for field in CATALOGUE]
    ours = [name for name in names if name not in words.vendor_fields]
    return {
        "type": "string",
        "minLength": 1,
        "description": f"A field of a contact, or an attribute as `{words.attribute_prefix}KEY`. A name that "
        f"is no field is an attribute, too. The fields: {', '.join(f'`{name}`' for name in names)}.",
        "examples": [*names, f"{words.attribute_prefix}plan"],
        "x-extensible-enum": names,
        EXTENSION_KEY: ours,
    }
