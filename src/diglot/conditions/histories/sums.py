"""Sums of amounts over the newest events, and the instants at which they begin or cease to meet a test.

The sum of a window is that of all events at or after its begin. Going back from now, it is 0 before the first
event, and a test of it changes at some of the instants of events: it *jumps*. So it is true of a window if it
is true of 0 and jumps an even number of times since the begin, or if it is false of 0 and jumps an odd number
of times. Negative amounts may make it jump more than once. The instants do not depend on the window.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from diglot.conditions.events.states import EXACT

ZERO = Decimal(0)


def add_all(amounts: Sequence[Decimal]) -> Decimal:
    """Return the exact sum of amounts."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def add_up_back(instants: Sequence[int], amounts: Sequence[Decimal]) -> Sequence[tuple[int, Decimal]]:
    """Return the instants of events, newest first, each with the sum of the amounts since then.

    The events are given newest first; several of one instant are added up together.
    """
    totals: list[tuple[int, Decimal]] = []
    total, last = ZERO, None
    for instant, amount in zip(instants, amounts, strict=True):
        total = EXACT.add(total, amount)
        if instant == last:
            totals.pop()
        totals.append((instant, total))
        last = instant
    return totals


def find_jumps(totals: Sequence[tuple[int, Decimal]], meets: Callable[[Decimal], bool]) -> tuple[int, ...]:
    """Return the instants at which a test of the sums that `add_up_back` returns changes, oldest first."""
    is_met = meets(ZERO)
    jumps: list[int] = []
    for instant, total in totals:
        if meets(total) is not is_met:
            is_met = not is_met
            jumps.append(instant)
    jumps.reverse()
    return tuple(jumps)
