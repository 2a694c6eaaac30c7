"""The evaluators of conditions in Python, in one shape: rows and random conditions hold each of them."""

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.bulk.blocks import ContactBlock
from diglot.conditions.bulk.evaluator import BulkEvaluator
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.condition_index import ConditionIndex
from diglot.conditions.python_compiler import compile_to_python

# Returns the numbers of the conditions that each contact matches at an instant.
MatchAll = Callable[[Sequence[ContactView], int], list[set[int]]]


def generated(nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchAll:
    """Return the function that is generated as Python, which evaluates one contact at a time."""
    evaluate = compile_to_python(nodes, zone)
    return lambda views, now: [set(evaluate(view, now)) for view in views]


def lower(nodes: Mapping[int, tree.Node]) -> Mapping[int, tree.Node]:
    """Return conditions as segments have them that follow writes."""
    return {number: lower_condition(node) for number, node in nodes.items()}


def index(nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchAll:
    """Return the index of conditions, which is asked about one contact at a time.

    It is asked twice, because the second time it answers from what it remembers.
    """
    selection = ConditionIndex(lower(nodes), zone).build()

    def match(views: Sequence[ContactView], now: int) -> list[set[int]]:
        first, second = ([set(selection.members(view, now)) for view in views] for _ in range(2))
        assert first == second
        return second

    return match


def bulk(nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchAll:
    """Return the evaluator of blocks of contacts."""
    evaluator = BulkEvaluator(lower(nodes), zone)
    evaluator.reduce()

    def match(views: Sequence[ContactView], now: int) -> list[set[int]]:
        masks = evaluator.match(ContactBlock(views), now, nodes)
        return [
            {number for number, mask in masks.items() if mask >> position & 1}
            for position in range(len(views))
        ]

    return match


EVALUATORS: Mapping[str, Callable[[Mapping[int, tree.Node], ZoneInfo], MatchAll]] = {
    "generated": generated,
    "index": index,
    "bulk": bulk,
}
