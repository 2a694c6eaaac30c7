"""A thousand active segments of one to three rules; a contact matches about 12 percent of them.

Fifteen fields are equally likely, so that a change of one field concerns some 130 segments. The share of
contacts that match a rule follows from the distribution of the contacts (data.py).
"""

from collections.abc import Callable
from math import prod
from random import Random
from typing import Any

from bench.data import CITIES, COUNTRIES, FIRST, LAST, PLANS
from bench.membership.segments import DYNAMIC, Group, Spec, day, match_all, match_any, rule, spec

AVERAGE = 0.12
LEAST, MOST = 0.0005, 0.8
# A rule and the share of the contacts that match it.
Chance = tuple[Group, float]


def active_segments(count: int, now: int) -> list[Spec]:
    """Return a given number of segments, always the same for the same instant."""
    rng = Random(4)
    results: list[Spec] = []
    total = 0.0
    while len(results) < count:
        group, share = _group(rng, now)
        low = total <= AVERAGE * len(results)
        if LEAST <= share <= MOST and (share >= AVERAGE) == low:
            total += share
            results.append(spec(DYNAMIC, f"live {len(results) + 1}", group))
    return results


def _group(rng: Random, now: int) -> Chance:
    rules = [rng.choice(_RULES)(rng, now) for _ in range(rng.randint(1, 3))]
    shares = [share for _, share in rules]
    if len(rules) > 1 and rng.random() < 0.3:
        return match_any(*(one for one, _ in rules)), 1 - prod(1 - share for share in shares)
    return match_all(*(one for one, _ in rules)), prod(shares)


def _status(rng: Random, now: int) -> Chance:
    del now
    word, share = rng.choice((("subscribed", 0.8), ("bounced", 0.1), ("unsubscribed", 0.1)))
    return rule("status", "equals", word), share


def _score(rng: Random, now: int) -> Chance:
    del now
    edge = rng.randrange(1, 100)
    if rng.random() < 0.7:
        return rule("engagement_score", "gte", edge), (101 - edge) / 101
    return rule("engagement_score", "less_than", edge), edge / 101


def _created(rng: Random, now: int) -> Chance:
    days = rng.randrange(30, 870)
    if rng.random() < 0.5:
        return rule("created_at", "before", day(now, days)), 1 - days / 900
    return rule("created_at", "after", day(now, days)), days / 900


def _opened(rng: Random, now: int) -> Chance:
    days = rng.choice((7, 14, 30, 60, 90, 180))
    within = 0.8 * days / 365
    return rng.choice(
        (
            (rule("last_opened_at", "in_last_days", days), within),
            (rule("last_opened_at", "more_than_days_ago", days), 0.8 - within),
            (rule("last_opened_at", "after", day(now, days)), within),
            (rule("last_opened_at", "before", day(now, days)), 0.8 - within),
            (rule("last_opened_at", "is_empty"), 0.2),
        )
    )


def _first_name(rng: Random, now: int) -> Chance:
    del now
    names = rng.sample(FIRST, rng.randint(1, 3))
    if len(names) == 1:
        return rule("first_name", "equals", names[0]), 0.095
    return rule("first_name", "in", names), 0.095 * len(names)


def _tags(rng: Random, now: int) -> Chance:
    del now
    names = [f"tag-{number}" for number in rng.sample(range(50), rng.randint(1, 4))]
    if len(names) == 1:
        return rule("tags", "contains", names[0]), 0.03
    return rule("tags", "in", names), 0.03 * len(names)


def _plan(rng: Random, now: int) -> Chance:
    del now
    plan = rng.choice(PLANS)
    share = PLANS.count(plan) / len(PLANS)
    if rng.random() < 0.2:
        return rule("plan", "not_equals", plan), 1 - share
    return rule("plan", "equals", plan), share


def _one_of(field: str, values: tuple[str, ...], share: float) -> Callable[[Random, int], Chance]:
    def make(rng: Random, now: int) -> Chance:
        del now
        return rule(field, "equals", rng.choice(values)), share

    return make


def _above(field: str, least: float, most: float, having: float) -> Callable[[Random, int], Chance]:
    """Return a factory of rules that match a given share of the contacts, for a number between two bounds."""

    def make(rng: Random, now: int) -> Chance:
        del now
        edge = rng.randrange(int(least) + 1, int(most))
        share = having * (most - edge) / (most - least)
        return rule(field, "greater_than", edge), share

    return make


def _company(rng: Random, now: int) -> Chance:
    del now
    if rng.random() < 0.2:
        return rule("company", "is_empty"), 0.5
    return rule("company", "contains", rng.choice(LAST)), 0.5 / len(LAST)


def _renews(rng: Random, now: int) -> Chance:
    del now
    month = rng.randrange(2, 12)
    operator, share = rng.choice((("before", (month - 1) / 12), ("after", (13 - month) / 12)))
    return rule("renews_on", operator, f"2026-{month:02}-01"), share


def _vip(rng: Random, now: int) -> Chance:
    del now
    vip: Any = rng.random() < 0.5
    return rule("is_vip", "equals", vip), 0.1 if vip else 0.9


_RULES: tuple[Callable[[Random, int], Chance], ...] = (
    *(_status, _score, _created, _opened, _first_name, _tags, _plan, _company, _renews, _vip),
    _one_of("country", COUNTRIES, 1 / len(COUNTRIES)),
    _one_of("city", CITIES, 1 / len(CITIES)),
    _above("seats", 1, 100, 1),
    _above("ltv", 0, 5000, 1),
    _above("total_orders", 0, 20, 0.3),
)
