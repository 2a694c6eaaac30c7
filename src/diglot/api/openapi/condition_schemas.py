"""The schemas of conditions, which no struct can say: a rule may itself be a group."""

from typing import Any, Final

from diglot.api.openapi.annotations import MARK, enumeration, ref
from diglot.api.rules import Words
from diglot.conditions.fields import CATALOGUE, STATUSES

_VALUE: Final = (
    "The operand: text, a number, a boolean, or a list of these for the list operators; a number of days "
    "for the day operators. Ignored where the operator asks only whether the field has a value."
)


def condition_schemas(group: str, rule: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of a dialect's conditions, its operators and the words they use."""
    return {
        "ContactStatus": enumeration("The status of a contact.", STATUSES),
        "SegmentType": enumeration(
            "Whether membership follows the condition or is changed by hand.", ("dynamic", "static")
        ),
        "RuleField": _field(words),
        "RuleValue": {"description": _VALUE},
        "GroupMode": enumeration("Whether all rules of the group have to hold, or any.", words.modes),
        **group_schemas(group, rule, "RuleOperator", words),
    }


def group_schemas(group: str, rule: str, operator: str, words: Words) -> dict[str, Any]:
    """Return the named schemas of groups and rules whose operators are these words."""
    ours = sorted(words.borrowed.values())
    every = dict.fromkeys([*words.own.values(), *words.borrowed.values(), *words.synonyms])
    return {
        operator: enumeration("What a rule asks of the field.", every, ours),
        rule: {
            "type": "object",
            "description": "One rule: a field, an operator, an operand.",
            "properties": {"field": ref("RuleField"), "operator": ref(operator), "value": ref("RuleValue")},
            "required": ["field", "operator"],
            "additionalProperties": False,
        },
        group: {
            "type": "object",
            "description": "A group of rules. Of a segment, an empty list makes a draft, which matches "
            "nobody. Groups nest to depth 8, with at most 250 rules in all.",
            "properties": {
                words.group_key: ref("GroupMode"),
                "rules": {"type": "array", "maxItems": 250, "items": ref(f"{group}Item")},
            },
            "required": ["rules"],
            "additionalProperties": False,
        },
        f"{group}Item": {"description": "A rule, or a group in its place.", "oneOf": [ref(rule), ref(group)]},
    }


def _field(words: Words) -> dict[str, Any]:
    """Return the schema of a field's name: those of the catalogue, open to attributes."""
    names = [field.name for field in CATALOGUE]
    ours = [name for name in names if name not in words.fields]
    return {
        "type": "string",
        "minLength": 1,
        "description": f"A field of a contact, or an attribute as `{words.attribute_prefix}KEY`. A name that "
        f"is no field is an attribute, too. The fields: {', '.join(f'`{name}`' for name in names)}.",
        "examples": [*names, f"{words.attribute_prefix}plan"],
        "x-extensible-enum": names,
        MARK: ours,
    }
