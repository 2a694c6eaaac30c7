"""Why a contact meets a condition or not: the truth of each part of the tree.

What a predicate says is asked of the generated function, as it is for memberships; a group says what its
parts make of it. Nothing here evaluates a predicate.
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from diglot.conditions import relative_dates, tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.operands import DAY_OPS
from diglot.conditions.python_compiler import compile_to_python


@dataclass(frozen=True, slots=True)
class Verdict:
    """A node of a condition, whether it is true of a contact, and the verdicts on its parts."""

    node: tree.Node
    matches: bool
    parts: tuple["Verdict", ...] = ()


def explain_condition(node: tree.Node, subject: ContactView, now: int, zone: ZoneInfo) -> Verdict:
    """Return what a condition and each of its parts say of a contact at an instant; a draft says no."""
    if tree.is_draft(node):
        return Verdict(node, matches=False)
    # By their stored form: 5 and 5.0 are equal in Python, yet they are two operands.
    predicates = list({tree.encode(one): one for one in tree.predicates_of(node)}.items())
    evaluate = compile_to_python({number: one for number, (_, one) in enumerate(predicates)}, zone)
    met = {predicates[number][0] for number in evaluate(subject, now)}
    return _explain_node(node, met)


def _explain_node(node: tree.Node, met: set[str]) -> Verdict:
    if isinstance(node, tree.Predicate):
        return Verdict(node, tree.encode(node) in met)
    if isinstance(node, tree.Not):
        part = _explain_node(node.item, met)
        return Verdict(node, not part.matches, (part,))
    parts = tuple(_explain_node(item, met) for item in node.items)
    decide = all if isinstance(node, tree.All) else any
    return Verdict(node, decide(part.matches for part in parts), parts)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The instants that days before now stand for: from `first` up to `last`, and before `end`."""

    first: int | None = None
    last: int | None = None
    end: int | None = None


def bounds_of(predicate: tree.Predicate, now: int, zone: ZoneInfo) -> Bounds | None:
    """Return what days before now are at an instant in a time zone; None where a predicate has no days."""
    if predicate.op not in DAY_OPS:
        return None
    assert isinstance(predicate.operand, tree.Days)
    low, high = relative_dates.bounds(predicate.op, predicate.operand.value, now, zone)
    first = None if low == -relative_dates.NEVER else low
    # Now is shown as the last instant because nobody writes the microsecond after it.
    return Bounds(first, last=now) if high == now + 1 else Bounds(first, end=high)
