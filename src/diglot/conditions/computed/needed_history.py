"""How far back conditions need the events of contacts, while a workspace keeps them for a limited time.

Totals are kept for ever, so a count, the first and the last event, and the sum of the revenue need no event.
A window needs the events of its length. Rules that events have to match, and the sum of another property,
need all events if they have no window.
"""

from collections.abc import Iterator
from typing import Final

from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_predicate
from diglot.conditions.events.fields import is_event_field, parse_event_field
from diglot.errors import Path
from diglot.plurals import count_of

# What a predicate needs that is evaluated over events of any age.
ALL_EVENTS: Final = 2**62
_DAY: Final = 86_400 * 1_000_000


def needed_history(predicate: tree.Predicate) -> int:
    """Return how far back from now a predicate needs events, in microseconds.

    It is 0 if kept totals answer it, and `ALL_EVENTS` if it needs the events of any age.
    """
    if not is_event_field(predicate.field):
        return 0
    if window := parse_event_field(predicate.field).window:
        return window
    of_events = filter(is_event_field, tree.fields_of(lower_predicate(predicate)))
    return ALL_EVENTS if any(parse_event_field(name).needs_history for name in of_events) else 0


def find_longest_need(node: tree.Node) -> int:
    """Return how far back from now a condition needs events, in microseconds, as `needed_history` does."""
    return max(map(needed_history, tree.predicates_of(node)), default=0)


def find_kept_fault(needed: int, days: int) -> str | None:
    """Return what is wrong with a need while events are kept for some days, 0 for ever; None if nothing."""
    if not days or needed <= days * _DAY:
        return None
    age = "any age" if needed == ALL_EVENTS else f"up to {count_of(-(-needed // _DAY), 'day')}"
    return f"Needs events of {age}, but the workspace keeps them for {count_of(days, 'day')}"


def iterate_needs(node: tree.Node, path: Path) -> Iterator[tuple[int, Path]]:
    """Yield what the rules of a condition need, each with the path of its field, if it needs any event.

    `path` is that of the root; within, it is in the words that both dialects have.
    """
    if isinstance(node, tree.Predicate):
        if (needed := needed_history(node)) > 0:
            yield needed, (*path, "field")
    elif isinstance(node, tree.Not):
        yield from iterate_needs(node.item, path)
    else:
        for index, part in enumerate(node.items):
            yield from iterate_needs(part, (*path, "rules", index))
