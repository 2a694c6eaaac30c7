"""Reads vendor rules as conditions, driven by a dialect's table of words (see `words.py`).

Unknown parts are never dropped: each becomes a fault with its path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Literal

from msgspec import UNSET

from diglot.api.rules.words import FIELD, OPERATOR, RULES, VALUE, WHERE, Words
from diglot.conditions.check import MAX_DEPTH, MAX_PREDICATES
from diglot.conditions.computed_fields import SEGMENTS, is_computed
from diglot.conditions.events.fields import is_event_field
from diglot.conditions.operands import wrong_type_error
from diglot.conditions.unchecked import Unchecked, UncheckedGroup, UncheckedRule, Unreadable
from diglot.errors import Fault, Path
from diglot.model.ids import parse_id

# The number of rules and groups in the largest valid condition: every rule at the maximum depth. A larger
# body already has a fault in the part that was read, so the rest is not read.
MAX_ITEMS_READ: Final = MAX_PREDICATES * (MAX_DEPTH + 1)


def read_condition(value: object, words: Words, *, strict: bool = False) -> Unchecked:
    """Read a vendor's condition, unchecked; `strict` rejects what the vendor does not have.

    These are operators of the other vendor and our own, nested groups, and computed fields with what they
    count.
    """
    if not isinstance(value, dict):
        return Unreadable((Fault((), str(wrong_type_error("object", value))),))
    return _RuleReader(words, strict).read_group(value, (), 1)


@dataclass(frozen=True, slots=True)
class _RuleReader:
    words: Words
    strict: bool
    # Counts the rules and groups that were read.
    items_read: Iterator[int] = field(default_factory=count)
    # Whether the rules are about the properties of events.
    is_within_rule: bool = False

    def read_group(self, value: dict[str, Any], path: Path, depth: int) -> UncheckedGroup:
        """Read a group; faults are placed among its items, in the order of the document."""
        mode: Literal["all", "any"] = "all"
        items: list[Unchecked] = []
        for key, part in value.items():
            if key == self.words.group_key:
                found = self.words.modes.get(part) if isinstance(part, str) else None
                if found is None:
                    items.append(_unreadable_at((*path, key), _enum_message(self.words.modes, part)))
                mode = found or mode
            elif key == RULES and isinstance(part, list):
                items.extend(self.read_rules(part, (*path, key), depth))
            elif key == RULES:
                items.append(_unreadable_at((*path, key), str(wrong_type_error("array", part))))
            else:
                items.append(_unreadable_at((*path, key), "Unrecognized key"))
        return UncheckedGroup(mode, items, path)

    def read_rules(self, rules: list[Any], path: Path, depth: int) -> list[Unchecked]:
        if depth > MAX_DEPTH:
            return []  # the later check rejects the group itself
        return [
            self.read_rule(rule, (*path, index), depth)
            for index, rule in enumerate(rules)
            if next(self.items_read) < MAX_ITEMS_READ
        ]

    def read_rule(self, rule: Any, path: Path, depth: int) -> Unchecked:
        if not isinstance(rule, dict):
            return _unreadable_at(path, str(wrong_type_error("object", rule)))
        if RULES not in rule:
            return self.read_predicate(rule, path)
        if FIELD in rule:
            return _unreadable_at(path, "A rule has either field or rules")
        if self.is_within_rule:
            return _unreadable_at(path, "Groups of rules about events do not nest")
        if self.strict:
            return _unreadable_at(path, "Groups do not nest")
        return self.read_group(rule, path, depth + 1)

    def read_predicate(self, rule: dict[str, Any], path: Path) -> Unchecked:
        name = rule.get(FIELD)
        of_events = isinstance(name, str) and is_event_field(name) and not self.is_within_rule
        known = (FIELD, OPERATOR, VALUE, WHERE) if of_events and not self.strict else (FIELD, OPERATOR, VALUE)
        faults = [Fault((*path, key), "Unrecognized key") for key in rule if key not in known]
        name = self.read_string(rule, FIELD, path, faults)
        if self.strict and name is not None and is_computed(name):
            faults.append(Fault((*path, FIELD), self.describe_computed(name)))
        operator = self.read_string(rule, OPERATOR, path, faults)
        word = None if operator is None else self.read_operator(operator, path, faults)
        where = self.read_where(rule[WHERE], (*path, WHERE)) if WHERE in rule and WHERE in known else None
        operand = rule.get(VALUE, UNSET)
        if name == SEGMENTS and not self.is_within_rule:
            operand = _read_segment_ids(operand)
        return UncheckedRule(name, word, operand, path, tuple(rule), tuple(faults), where=where)

    def read_where(self, value: object, path: Path) -> UncheckedGroup | Unreadable:
        """Read the rules that an event has to match; their fields are names of properties."""
        if not isinstance(value, dict):
            return _unreadable_at(path, str(wrong_type_error("object", value)))
        reader = _RuleReader(self.words, self.strict, self.items_read, is_within_rule=True)
        return reader.read_group(value, path, 1)

    def read_string(self, rule: dict[str, Any], key: str, path: Path, faults: list[Fault]) -> str | None:
        value = rule.get(key, UNSET)
        if isinstance(value, str):
            return value
        message = "Required" if value is UNSET else str(wrong_type_error("string", value))
        faults.append(Fault((*path, key), message))
        return None

    def describe_computed(self, name: str) -> str:
        """Say why strict refuses a computed field, and how an attribute of that name is reached."""
        return (
            f"Unknown field. `{name[:100]}` is a field of Diglot's own, which this server refuses; an "
            f"attribute of this name is written `{self.words.attribute_prefix}{name[:100]}`"
        )

    def read_operator(self, operator: str, path: Path, faults: list[Fault]) -> str | None:
        own = (*self.words.own_operators.values(), *self.words.synonyms)
        allowed = own if self.strict else self.words.operators
        if operator in allowed:
            return self.words.operators[operator]
        faults.append(Fault((*path, OPERATOR), _enum_message(dict.fromkeys(allowed), operator)))
        return None


def _read_segment_ids(operand: object) -> object:
    """Return the ids of segments in their canonical form; what is none stays, and the check refuses it."""
    if isinstance(operand, list):
        return [_read_segment_ids(one) for one in operand]
    return (parse_id(operand) or operand) if isinstance(operand, str) else operand


def _unreadable_at(path: Path, message: str) -> Unreadable:
    return Unreadable((Fault(path, message),))


def _enum_message(options: Mapping[str, object], value: object) -> str:
    if not isinstance(value, str):
        return str(wrong_type_error("string", value))
    shown = " | ".join(f"'{option}'" for option in options)
    return f"Invalid enum value. Expected {shown}, received '{value[:100]}'"
