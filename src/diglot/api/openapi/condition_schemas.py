"""Schemas of conditions. They are written by hand because structs cannot express groups nested in rules."""

from typing import Any, Final

from diglot.api.annotations import EXTENSION_KEY, enumeration_schema, json_reference
from diglot.api.rules.words import Words
from diglot.conditions.computed_fields import EXAMPLES, PATTERNS
from diglot.conditions.fields import CATALOGUE, STATUSES

_VALUE_DESCRIPTION: Final = (
    "The operand: a string, a number or a boolean; a list of these for the list operators; a number of days "
    "for the day operators, of hours for the hour operators. Ignored by operators that only check whether "
    "the field has a value."
)


def build_condition_schemas(group: str, rule: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of a dialect's conditions, fields, operators and enumerations."""
    return {
        "ContactStatus": enumeration_schema("The status of a contact.", STATUSES),
        "SegmentType": enumeration_schema(
            "Whether members follow from the condition or are added by hand.", ("dynamic", "static")
        ),
        "RuleField": _field_schema(words),
        "RuleValue": {"description": _VALUE_DESCRIPTION},
        "GroupMode": enumeration_schema("Whether all rules of the group must match, or any.", words.modes),
        **build_group_schemas(group, rule, "RuleOperator", words),
    }


def _build_rule_schema(operator: str, where: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "One rule: a field, an operator and an operand.",
        "properties": {
            "field": json_reference("RuleField"),
            "operator": json_reference(operator),
            "value": json_reference("RuleValue"),
            "where": {**json_reference(where), EXTENSION_KEY: True},
        },
        "required": ["field", "operator"],
        "additionalProperties": False,
    }


def _build_where_schemas(rule: str, operator: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of the rules that an event has to match."""
    property_rule = {
        "type": "object",
        "description": "One rule about an event. Operators that compare with now do not apply.",
        "properties": {
            "field": {"type": "string", "minLength": 1, "description": "The name of a property."},
            "operator": json_reference(operator),
            "value": json_reference("RuleValue"),
        },
        "required": ["field", "operator"],
        "additionalProperties": False,
    }
    where = {
        "type": "object",
        "description": "Which events a rule about events counts, an extension: those that match these "
        "rules. Each property has the type of its value, as an attribute does. The rules count towards the "
        "250 of a condition. An event with the property `machine: true` counts only if a rule names "
        "`machine`.",
        "properties": {
            words.group_key: json_reference("GroupMode"),
            "rules": {"type": "array", "minItems": 1, "items": json_reference(f"{rule}OfEvent")},
        },
        "required": ["rules"],
        "additionalProperties": False,
    }
    return {f"{rule}OfEvent": property_rule, f"{rule}Where": where}


def build_group_schemas(group: str, rule: str, operator: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of groups and rules, which refer to the operator schema of the given name."""
    own, borrowed = words.own_operators.values(), words.borrowed_operators.values()
    every = dict.fromkeys([*own, *borrowed, *words.synonyms])
    return {
        operator: enumeration_schema("How a rule compares the field.", every, sorted(borrowed)),
        rule: _build_rule_schema(operator, f"{rule}Where"),
        **_build_where_schemas(rule, operator, words),
        group: {
            "type": "object",
            "description": "A group of rules. A segment with an empty list is a draft and matches no "
            "contact. Groups can be nested up to depth 8, with at most 250 rules in total.",
            "properties": {
                words.group_key: json_reference("GroupMode"),
                "rules": {"type": "array", "maxItems": 250, "items": json_reference(f"{group}Item")},
            },
            "required": ["rules"],
            "additionalProperties": False,
        },
        f"{group}Item": {
            "description": "A rule or a nested group.",
            "oneOf": [json_reference(rule), json_reference(group)],
        },
    }


def _field_schema(words: Words) -> dict[str, Any]:
    """Return the schema of field names, an extensible enumeration because any other name is an attribute."""
    names = [field.name for field in CATALOGUE]
    ours = [name for name in names if name not in words.vendor_fields]
    return {
        "type": "string",
        "minLength": 1,
        "description": f"A field of a contact, or an attribute as `{words.attribute_prefix}KEY`. An unknown "
        f"name is taken as an attribute. The fields: {', '.join(f'`{name}`' for name in names)}. Computed "
        f"fields, an extension: {', '.join(f'`{pattern}`' for pattern in PATTERNS)}; WINDOW is a number of "
        "days, hours or minutes such as `30d`, `12h` or `90m`. An attribute of such a name is reached with "
        "its prefix only.",
        "examples": [*names, f"{words.attribute_prefix}plan", *EXAMPLES],
        "x-extensible-enum": [*names, *PATTERNS],
        EXTENSION_KEY: [*ours, *PATTERNS],
    }
