"""Mixes of segments about events, with the events that are written beside them.

`SHOP` is what a shop has: 40 names, of which the first is written 40 times as often as the last, and the same
number of segments for each. Most ask for few events in a usual window, so they share predicates, and an event
concerns 25 segments, or a few more that name it beside another event. `HOSTILE` has 3 names, so that an event
concerns a third of all segments, which ask for up to 9 events in seven windows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from bench.behavior.data import NAMES, PLANS

Rule = dict[str, Any]
_DAYS: Final = (7, 30, 90)
_COUNTS: Final = (1, 1, 1, 2, 3, 5, 10)
_SHOP_NAMES: Final = tuple(
    f"{verb}_{thing}" for thing in "abcdefgh" for verb in ("view", "open", "add", "buy", "rate")
)


@dataclass(frozen=True)
class Mix:
    """The names of events, how often each is written, and the rule of each segment by its number.

    `shares` says what the segments ask, for the report.
    """

    name: str
    shares: str
    event_names: Sequence[str]
    weights: Sequence[float]
    rule: Callable[[int], Rule]

    def choose_name(self, rng: Random) -> str:
        """Return the name of the next event."""
        return rng.choices(self.event_names, self.weights)[0]


def _plan_of(number: int) -> Rule:
    return {"where": {"all": [{"field": "plan", "operator": "equals", "operand": PLANS[number % 4]}]}}


def _ask_shop(number: int) -> Rule:
    """Return a rule of a shop: 20 kinds in turn, for each of the names in turn."""
    name, turn = _SHOP_NAMES[number % 40], number // 40
    days, count = _DAYS[turn % 3], _COUNTS[turn % 7]
    in_window = {"field": f"events.{name}.count.{days}d", "operator": "gte", "operand": count}
    kind = (turn + number) % 20
    if kind < 8:
        return in_window
    if kind < 10:
        return {"field": f"events.{name}.count", "operator": "gte", "operand": count}
    if kind < 13:
        return {"field": f"events.{name}.last_at", "operator": "in_last_days", "operand": days}
    if kind < 16:
        return in_window | _plan_of(turn)
    if kind < 17:
        return {"field": f"events.{name}.sum.price.{days}d", "operator": "gt", "operand": 100 * count}
    if kind < 18:
        return {"all": [in_window, {"field": "tags", "operator": "equals", "operand": "vip"}]}
    other = {
        "field": f"events.{_SHOP_NAMES[(number + 1) % 40]}.count.{days}d",
        "operator": "equals",
        "operand": 0,
    }
    return {"all": [in_window, other]}


def _ask_hostile(number: int) -> Rule:
    """Return one of many different rules: counts in windows, half of them with `where`, and sums."""
    name, days = NAMES[number % 3], (1, 7, 14, 30, 60, 90, 180)[number % 7]
    if number % 10 == 9:
        return {"field": f"events.{name}.sum.price.{days}d", "operator": "gt", "operand": 10 * (number % 50)}
    rule = {"field": f"events.{name}.count.{days}d", "operator": "gte", "operand": 1 + number // 7 % 9}
    return rule | (_plan_of(number) if number % 2 else {})


_SHOP_SHARES: Final = (
    "40 names, the first written 40 times as often as the last, 25 segments each: 40 % counts in 7, 30 or 90 "
    "days, 10 % counts of all events, 15 % last events, 15 % counts of events with a property, 5 % sums, 5 % "
    "counts with a tag, 10 % counts of one name and no event of another"
)
_HOSTILE_SHARES: Final = (
    "3 names, 333 segments each: 50 % counts up to 9 in seven windows, 40 % the same of events with a "
    "property, 10 % sums"
)
SHOP: Final = Mix("shop", _SHOP_SHARES, _SHOP_NAMES, [1 / place for place in range(1, 41)], _ask_shop)
HOSTILE: Final = Mix("hostile", _HOSTILE_SHARES, NAMES, (1, 1, 1), _ask_hostile)
