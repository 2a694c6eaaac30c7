"""The realistic mix of segments: 1 to 6 rules, a quarter of them negated, skewed sharing of predicates.

60 % of the segments have a relative date. 70 % are rules that must all match, 10 % rules of which one must,
20 % are nested, a few of them deeply.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

from bench.data import NOW
from bench.evaluation import words
from bench.evaluation.words import Vocabulary
from diglot.conditions import tree
from support import canonical

Rule = dict[str, Any]
SEED: Final = 4
_RULES: Final = (1, 2, 3, 4, 5, 6)
_WEIGHTS: Final = (10, 20, 26, 22, 13, 9)
RELATIVE_SHARE: Final = 0.6
NEGATED_SHARE: Final = 0.25
_RELATIVE_OPERATORS: Final = ("in_last_days",) * 6 + ("more_than_days_ago",) * 3 + ("exactly_days_ago",)
_RELATIVE_FIELDS: Final = (
    *("last_opened_at",) * 4,
    *("last_clicked_at", "last_emailed_at") * 2,
    *("created_at", "attributes.last_login"),
)


def conditions(count: int, seed: int = SEED) -> dict[int, tree.Node]:
    """Return a number of numbered conditions, always the same for a seed."""
    rng = Random(seed)
    return {number: canonical.read(_condition(rng)) for number in range(1, count + 1)}


def _condition(rng: Random) -> Rule:
    rules = [_rule(rng) for _ in range(rng.choices(_RULES, _WEIGHTS)[0])]
    if rng.random() < RELATIVE_SHARE:
        rules[rng.randrange(len(rules))] = _relative(rng)
    rules = [{"not": rule} if rng.random() < NEGATED_SHARE else rule for rule in rules]
    shape = rng.random()
    if shape < 0.1:
        return {"any": rules}
    return _nested(rng, rules) if shape > 0.74 and len(rules) > 2 else {"all": rules}


def _nested(rng: Random, rules: list[Rule]) -> Rule:
    """Return a group with groups in it; one in 30 has a third level."""
    cut = rng.randrange(1, len(rules) - 1)
    inner = {rng.choice(("any", "any", "all")): rules[cut:]}
    if len(rules) - cut > 2 and rng.random() < 0.1:
        inner = {"any": [rules[cut], {"not": {"all": [rules[cut + 1], {"any": rules[cut + 2 :]}]}}]}
    return {rng.choice(("all", "all", "any")): [*rules[:cut], inner]}


def _relative(rng: Random) -> Rule:
    operator = rng.choice(_RELATIVE_OPERATORS)
    return _made(rng.choice(_RELATIVE_FIELDS), operator, words.DAYS.draw(rng))


def _rule(rng: Random) -> Rule:
    return rng.choice(_KINDS)(rng)


def _made(field: str, operator: str, operand: Any) -> Rule:
    return {"field": field, "operator": operator, "operand": operand}


def _drawn(field: str, operators: Sequence[str], vocabulary: Vocabulary[Any], rng: Random) -> Rule:
    """Return a rule with one of some operators, `in` and `is_set` among them if they are."""
    operator = rng.choice(operators)
    if operator == "is_set":
        return {"field": field, "operator": operator}
    if operator == "in":
        return _made(field, operator, vocabulary.sample(rng, rng.randint(2, 5)))
    return _made(field, operator, vocabulary.draw(rng))


def _part(field: str, operator: str, vocabulary: Vocabulary[str], rng: Random) -> Rule:
    """Return a rule for a part of a word: its beginning, in other letters now and then."""
    part = vocabulary.draw(rng)[: rng.choice((3, 4, 5, 20))]
    return _made(field, operator, part.upper() if rng.random() < 0.2 else part)


def _date(field: str, rng: Random) -> Rule:
    day = datetime.fromtimestamp(NOW / 1e6, UTC) - timedelta(days=words.DATES.draw(rng))
    return _made(field, rng.choice(("before", "after")), str(day.date()))


def _status(rng: Random) -> Rule:
    return _made("status", "equals", rng.choice(("subscribed",) * 4 + ("unsubscribed", "bounced")))


def _subscribed(rng: Random) -> Rule:
    return _made("subscribed", "equals", rng.random() < 0.9)


def _address(rng: Random) -> Rule:
    domain = words.DOMAINS.draw(rng)
    if rng.random() < 0.7:
        return _made("email", "ends_with", f"@{domain}" if rng.random() < 0.7 else domain)
    return _made("email", "contains", domain.partition(".")[0])


_ORDERED: Final = ("gte", "lt", "gt", "lte", "gte", "lt", "equals")
_EXACT: Final = ("equals", "equals", "in", "is_set")
_KINDS: Final[Sequence[Callable[[Random], Rule]]] = (
    *(_status, _subscribed, _address, _address),
    *[partial(_drawn, "tags", ("contains", "contains", "in", "is_set"), words.TAGS)] * 4,
    *[partial(_drawn, "attributes.plan", ("equals", "in"), words.PLANS_BY_USE)] * 2,
    *[partial(_drawn, "attributes.country", _EXACT, words.COUNTRIES)] * 2,
    *[partial(_drawn, "attributes.city", _EXACT, words.CITIES)] * 2,
    *[partial(_drawn, "engagement_score", _ORDERED, words.SCORES)] * 2,
    partial(_drawn, "lead_score", _ORDERED, words.SCORES),
    partial(_drawn, "total_spent", _ORDERED, words.MONEY),
    partial(_drawn, "total_orders", _ORDERED, words.COUNTS),
    partial(_drawn, "total_opens", _ORDERED, words.COUNTS),
    partial(_drawn, "attributes.ltv", _ORDERED, words.MONEY),
    partial(_drawn, "attributes.seats", _ORDERED, words.COUNTS),
    *[partial(_date, "created_at")] * 2,
    partial(_drawn, "first_name", _EXACT, words.FIRST_NAMES),
    partial(_drawn, "source", ("equals", "in"), words.SOURCES),
    *(
        partial(_part, field, operator, vocabulary)
        for field, vocabulary in (("last_name", words.LAST_NAMES), ("company", words.COMPANIES))
        for operator in ("contains", "starts_with")
    ),
)
