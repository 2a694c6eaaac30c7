"""The segments that rules on the field `segments` name, and what such a rule stands for when it is evaluated.

A dynamic segment has whoever meets its condition, so a rule that names it is *expanded*: the condition of
that segment takes its place. So what follows contacts, events and the clock needs nothing more. A static
segment has the members that it was given, so it stays a leaf: a predicate on `segments` whose values are
the numbers of static segments within the workspace, which no client can write.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from diglot.conditions import tree
from diglot.conditions.computed_fields import SEGMENTS
from diglot.conditions.tree import Op
from diglot.conditions.unchecked import Unchecked, UncheckedGroup, UncheckedNot, UncheckedRule
from diglot.errors import Path

NOBODY: Final = tree.Not(tree.Predicate("status", Op.IS_SET))
# The expanded condition of a dynamic segment, or the number of a static one.
Meaning = tree.Node | int
# What stored conditions contain that name segments.
MENTION: Final = f'"field":"{SEGMENTS}"'


def referenced_ids(node: tree.Node) -> tuple[str, ...]:
    """Return the ids of the segments that the rules of a condition name, in order, each once."""
    return tuple(dict.fromkeys(_values_of(node)))


def _values_of(node: tree.Node) -> Iterator[str]:
    for predicate in tree.predicates_of(node):
        if predicate.field == SEGMENTS:
            yield from (str(scalar.value) for scalar in tree.scalars_of(predicate.operand))


def find_reference_paths(unchecked: Unchecked, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the ids that the rules of a condition name, each with its path, given that of the condition.

    The condition must have passed the check.
    """
    if isinstance(unchecked, UncheckedGroup):
        for item in unchecked.items:
            yield from find_reference_paths(item, path)
    elif isinstance(unchecked, UncheckedNot):
        yield from find_reference_paths(unchecked.item, path)
    elif isinstance(unchecked, UncheckedRule) and unchecked.field == SEGMENTS:
        at, operand = (*path, *unchecked.path_of(unchecked.operand_key)), unchecked.operand
        if isinstance(operand, list):
            yield from ((value.lower(), (*at, index)) for index, value in enumerate(operand))
        else:
            assert isinstance(operand, str)
            yield operand.lower(), at


def static_numbers(nodes: Iterable[tree.Node]) -> frozenset[int]:
    """Return the numbers of the static segments in expanded conditions."""
    return frozenset(int(value) for node in nodes for value in _values_of(node))


def expand(node: tree.Node, meanings: Mapping[str, Meaning]) -> tree.Node:
    """Return a condition with the meaning of each segment, by its id, in place of the rules that name it."""
    if isinstance(node, tree.Predicate):
        return _expand_predicate(node, meanings)
    if isinstance(node, tree.Not):
        return tree.Not(expand(node.item, meanings))
    items = tuple(expand(item, meanings) for item in node.items)
    return tree.All(items) if isinstance(node, tree.All) else tree.Any(items)


def _expand_predicate(predicate: tree.Predicate, meanings: Mapping[str, Meaning]) -> tree.Node:
    if predicate.field != SEGMENTS:
        return predicate
    named = [meanings[id_] for id_ in referenced_ids(predicate)]
    static = tuple(tree.Text(str(one)) for one in named if isinstance(one, int))
    nodes = [one for one in named if not isinstance(one, int)]
    if static:
        nodes.append(tree.Predicate(SEGMENTS, Op.IN, tree.Values(static)))
    if not nodes:
        return NOBODY
    return nodes[0] if len(nodes) == 1 else tree.Any(tuple(nodes))
