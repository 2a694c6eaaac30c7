"""Says conditions in words, for people: the rules of a segment as sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from diglot.conditions import dates, tree
from diglot.conditions.computed_fields import SEGMENTS, Anniversary, Sample, find_computed
from diglot.conditions.events.fields import EventField
from diglot.conditions.fields import attribute_key
from diglot.conditions.operands import HOUR_OPS, RELATIVE_OPS
from diglot.conditions.tree import Op

# Each operator as it is said, and its negation.
_PHRASES: Final = {
    Op.EQUALS: ("is", "is not"),
    Op.CONTAINS: ("contains", "does not contain"),
    Op.STARTS_WITH: ("starts with", "does not start with"),
    Op.ENDS_WITH: ("ends with", "does not end with"),
    Op.GT: ("is more than", "is not more than"),
    Op.GTE: ("is at least", "is not at least"),
    Op.LT: ("is less than", "is not less than"),
    Op.LTE: ("is at most", "is not at most"),
    Op.BEFORE: ("is before", "is not before"),
    Op.AFTER: ("is after", "is not after"),
    Op.IN: ("is one of", "is none of"),
    Op.IS_SET: ("has a value", "has no value"),
    Op.IN_LAST_DAYS: ("is in the last", "is not in the last"),
    Op.MORE_THAN_DAYS_AGO: ("is more than", "is not more than"),
    Op.EXACTLY_DAYS_AGO: ("is exactly", "is not exactly"),
    Op.IN_NEXT_DAYS: ("is in the next", "is not in the next"),
    Op.IN_LAST_HOURS: ("is in the last", "is not in the last"),
    Op.MORE_THAN_HOURS_AGO: ("is more than", "is not more than"),
    Op.IN_NEXT_HOURS: ("is in the next", "is not in the next"),
}
_AGO: Final = frozenset({Op.MORE_THAN_DAYS_AGO, Op.EXACTLY_DAYS_AGO, Op.MORE_THAN_HOURS_AGO})
_PARTS_OF_EVENTS: Final = {"first_at": "first “{}” event", "last_at": "last “{}” event"}
_MICROSECONDS: Final = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000}
_SHOWN_VALUES: Final = 20


@dataclass(frozen=True, slots=True)
class Sentence:
    """One rule in words: the field, what is said of it, and the values."""

    field: str
    phrase: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A group in words: whether all of its items have to be true, or any."""

    all: bool
    items: "tuple[Sentence | Paragraph, ...]"


# The names of segments by their ids, for rules that name segments.
SegmentNames = Mapping[str, str]
_NO_NAMES: Final[SegmentNames] = {}


def describe_condition(node: tree.Node, names: SegmentNames = _NO_NAMES) -> Paragraph:
    """Return a condition in words; a single rule is a group of one."""
    described = _describe(node, names)
    return described if isinstance(described, Paragraph) else Paragraph(all=True, items=(described,))


def _describe(node: tree.Node, names: SegmentNames) -> Sentence | Paragraph:
    if isinstance(node, tree.All | tree.Any):
        return Paragraph(isinstance(node, tree.All), tuple(_describe(item, names) for item in node.items))
    return say_rule(node, names)


def say_rule(node: tree.Node, names: SegmentNames = _NO_NAMES) -> Sentence:
    """Return a rule in words."""
    is_negated = isinstance(node, tree.Not)
    predicate = node.item if isinstance(node, tree.Not) else node
    assert isinstance(predicate, tree.Predicate), "no dialect writes a negated group"
    if predicate.field == SEGMENTS:
        return _say_membership(predicate, names, is_negated=is_negated)
    phrase = _PHRASES[predicate.op][is_negated]
    return Sentence(name_field(predicate.field) + _say_where(predicate), phrase, _say_operand(predicate))


def _say_membership(predicate: tree.Predicate, names: SegmentNames, *, is_negated: bool) -> Sentence:
    ids = [str(scalar.value) for scalar in tree.scalars_of(predicate.operand)]
    named = ", ".join(f"“{names.get(id_, id_)}”" for id_ in ids[:_SHOWN_VALUES])
    rest = f" and {len(ids) - _SHOWN_VALUES:,} more" if len(ids) > _SHOWN_VALUES else ""
    phrase = "is in none of the segments" if is_negated else "is in one of the segments"
    if len(ids) == 1:
        phrase = "is not in the segment" if is_negated else "is in the segment"
    return Sentence("the contact", phrase, named + rest or "no values")


def _say_where(predicate: tree.Predicate) -> str:
    """Return the rules that events have to match, as the end of a field."""
    if predicate.where is UNSET:
        return ""
    sentences = [say_rule(rule) for rule in tree.rules_of(predicate.where)]
    joined = " and " if isinstance(predicate.where, tree.All) else " or "
    said = joined.join(" ".join(filter(None, (one.field, one.phrase, one.value))) for one in sentences)
    return f", only those whose {said}"


def name_field(name: str) -> str:
    """Return a field, by its canonical name, as people call it."""
    if (key := attribute_key(name)) is not None:
        return f"“{key}”"
    computed = find_computed(name)
    if isinstance(computed, Sample):
        return f"random number “{computed.salt}” (0 to 100)" if computed.salt else "random number (0 to 100)"
    if isinstance(computed, Anniversary):
        return f"days until the next anniversary of {name_field(computed.source)}"
    if isinstance(computed, EventField):
        return _name_events(computed)
    return name.replace("_at", "").replace("_", " ") if name.endswith("_at") else name.replace("_", " ")


def _name_events(field: EventField) -> str:
    if field.part in _PARTS_OF_EVENTS:
        return _PARTS_OF_EVENTS[field.part].format(field.name)
    window = "" if not field.window else f" in the last {_say_length(field.window)}"
    counted = f"sum of “{field.summed}” of" if field.part == "sum" else "number of"
    return f"{counted} “{field.name}” events{window}"


def _say_length(window: int) -> str:
    for unit, size in _MICROSECONDS.items():
        if window % size == 0:
            return _count(window // size, unit)
    return _count(window // _MICROSECONDS["minutes"], "minutes")


def _count(number: int, units: str) -> str:
    return f"{number:,} {units if number != 1 else units[:-1]}"


def _say_operand(predicate: tree.Predicate) -> str:
    operand = predicate.operand
    if operand is None:
        return ""
    if isinstance(operand, tree.Days | tree.Hours | tree.Window):
        units = "days" if isinstance(operand, tree.Days) else "hours"
        return _count(operand.value, units) + (" ago" if predicate.op in _AGO else "")
    if isinstance(operand, tree.Values):
        shown = [_say_scalar(value) for value in operand.values[:_SHOWN_VALUES]]
        rest = len(operand.values) - len(shown)
        return ", ".join(shown) + (f" and {rest:,} more" if rest else "") or "no values"
    return _say_scalar(operand)


def _say_scalar(scalar: tree.Scalar) -> str:
    match scalar:
        case tree.Instant():
            return dates.format_instant(scalar.value)
        case tree.Boolean():
            return "yes" if scalar.value else "no"
        case tree.Text():
            return f"“{scalar.value}”"
        case _:
            return str(scalar.value)


def say_operator(word: str) -> str:
    """Return an operator, by its canonical word, as a choice: with the unit of the number that follows."""
    op, is_negated = tree.OPERATOR_WORDS[word]
    phrase = _PHRASES[op][is_negated]
    if op not in RELATIVE_OPS:
        return phrase
    units = "hours" if op in HOUR_OPS else "days"
    return f"{phrase} … {units}{' ago' if op in _AGO else ''}"
