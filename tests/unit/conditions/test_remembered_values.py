"""What the index remembers of values is what it finds anew, however alike values are to Python."""

from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.dates import DAY
from diglot.conditions.index import matcher as matchers
from diglot.conditions.index.attribute_lookups import NO_KEY, key_of_value
from diglot.conditions.index.matcher import Matcher
from diglot.conditions.python_compiler import compile_to_python
from support import canonical
from support.reporting import SEED

UTC = ZoneInfo("UTC")
NOW = 20_000 * DAY + 3_600_000_000
FAR = 2**53
# Some are equal or have one hash, and some have the same text.
VALUES: tuple[Any, ...] = (
    *(0, 0.0, -0.0, False, "0", "0.0", "-0.0", "false", [0], ["0"], [False]),
    *(1, 1.0, True, "1", "1.0", "true", [1], ["1"], [True], ["true"], [1, "1"], {"1": 1}),
    *(FAR, float(FAR), FAR + 1, str(FAR), str(FAR + 1), -FAR, 2**61 - 1, 2 * (2**61 - 1)),
    *(None, "", " ", [], [""], {}, "e\u0301", "é", "É", ["é", "b"], "ab", ["ab"], "AB"),
    *("2024-10-04", "2024-10-04T00:30:00Z", "2024-10-04T01:00:00.000001Z", ["2024-10-04"], "2024-02-30"),
)
OPERATORS: tuple[tuple[str, Any], ...] = (
    *(("is_set", None), ("equals", 1), ("equals", "1"), ("equals", True), ("equals", "1.0"), ("equals", 0)),
    *(("equals", "-0.0"), ("equals", FAR + 1), ("in", [1, "x", False]), ("in", [0, FAR]), ("in", ["é", "0"])),
    *(("gte", 1), ("lt", 1), ("gt", FAR), ("lte", FAR + 1), ("gt", 0), ("contains", "é"), ("contains", "1")),
    *(("starts_with", "a"), ("ends_with", "b"), ("before", "2024-10-04T00:45:00Z"), ("after", "2024-10-03")),
)
RELATIVE: tuple[tuple[str, Any], ...] = (
    *(("in_last_days", 1), ("in_last_days", 400), ("more_than_days_ago", 2), ("exactly_days_ago", 0)),
    ("exactly_days_ago", 1),
)


def rule(field: str, operator: str, operand: Any) -> dict[str, Any]:
    """Return a rule; `is_set` has no operand."""
    return {"field": field, "operator": operator} | ({} if operand is None else {"operand": operand})


def nodes_of(field: str, *operators: tuple[str, Any]) -> dict[int, tree.Node]:
    """Return a condition for each operator, and for each pair of neighbors that both or one must match."""
    rules = [rule(field, *each) for each in operators]
    written = [*rules, *({kind: list(pair)} for kind in ("all", "any") for pair in pairwise(rules))]
    return {number: canonical.read(each) for number, each in enumerate(written)}


def assert_remembered(nodes: dict[int, tree.Node], views: list[ContactView], rng: Random) -> Matcher:
    """Ask about contacts in random order, most of them several times, and for changes between them."""
    evaluate, matcher = compile_to_python(nodes, UTC), Matcher(nodes, UTC)
    expected = [set(evaluate(view, NOW)) for view in views]
    fields = {predicate.field for node in nodes.values() for predicate in tree.predicates_of(node)}
    for number in rng.choices(range(len(views)), k=4 * len(views)):
        assert set(matcher.numbers_in(matcher.members(views[number], NOW))) == expected[number]
        other = rng.randrange(len(views))
        entered, left = matcher.change(views[number], views[other], fields, NOW)
        assert set(matcher.numbers_in(entered)) == expected[other] - expected[number]
        assert set(matcher.numbers_in(left)) == expected[number] - expected[other]
        later = set(evaluate(views[number], NOW + DAY))
        entered, left = matcher.elapse(views[number], NOW, NOW + DAY)
        assert set(matcher.numbers_in(entered)) == later - expected[number]
        assert set(matcher.numbers_in(left)) == expected[number] - later
    return matcher


@pytest.fixture
def rng(pytestconfig: pytest.Config) -> Random:
    """Random numbers of the seed of the run."""
    return Random(pytestconfig.stash[SEED])


def attribute_views() -> list[ContactView]:
    """Return contacts of which each has one of the values, and one without the attribute."""
    return [*(ContactView({}, {"x": value}, (), UTC) for value in VALUES), ContactView({}, {}, (), UTC)]


@pytest.mark.parametrize("width", [0, 10**6], ids=["shared masks", "masks of their own"])
@pytest.mark.parametrize("most", [2_000, 10**6], ids=["little memory", "memory"])
def test_values_of_attributes(rng: Random, monkeypatch: pytest.MonkeyPatch, width: int, most: int) -> None:
    """Numbers, booleans, texts and arrays that are alike stay apart, also when memory is short."""
    monkeypatch.setattr(matchers, "_SHARED_WIDTH", width)
    monkeypatch.setattr(matchers, "_MIN_MEMO_BYTES", most)
    monkeypatch.setattr(matchers, "_MAX_MEMO_BYTES", most)
    for operators in (OPERATORS, (*OPERATORS, *RELATIVE), RELATIVE, RELATIVE[3:], (("gte", 1), ("lt", 0))):
        matcher = assert_remembered(nodes_of("attributes.x", *operators), attribute_views(), rng)
        assert matcher.budget.spent <= max(most // 2, 1_500)


@pytest.mark.parametrize("operator", OPERATORS, ids=str)
def test_one_operator_on_an_attribute(rng: Random, operator: tuple[str, Any]) -> None:
    """A field with one reading has the shortest ways."""
    assert_remembered(nodes_of("attributes.x", operator), attribute_views(), rng)


def test_keys_of_values() -> None:
    """Only values that no reading tells apart have one key."""
    keys = [key for value in VALUES if (key := key_of_value(value)) is not NO_KEY]
    assert len(keys) == len({(type(key), repr(key)) for key in keys})
    assert len(keys) == len(set(keys))
    others: list[Any] = [FAR, [1], {}]
    assert [key_of_value(value) for value in others] == [NO_KEY] * 3


def core_view(**fields: Any) -> ContactView:
    """Return a contact with some fields."""
    empty = dict.fromkeys(("company", "engagement_score", "last_opened_at", "email_as_sent"))
    known: dict[str, Any] = {
        **empty,
        "email": "a@example.com",
        "status": "subscribed",
        "tags": [],
        "created_at": NOW,
    }
    return ContactView({**known, **fields}, {}, fields.pop("lists", ()), UTC)


def test_values_of_core_fields(rng: Random) -> None:
    """An address is known with the one that was sent, lists of tags and of lists by all their items."""
    ids = ["0190a1b2-0000-7000-8000-000000000001", "0190a1b2-0000-7000-8000-000000000002"]
    rules = [
        *(rule("email", "equals", "a@example.com"), rule("email", "ends_with", "EXAMPLE.com")),
        *(rule("email", "contains", "bü"), rule("email", "is_set", None), rule("subscribed", "equals", True)),
        *(
            rule("status", "equals", "bounced"),
            rule("company", "is_set", None),
            rule("company", "equals", "é"),
        ),
        *(rule("company", "contains", "é"), rule("tags", "contains", "a"), rule("tags", "contains", "b")),
        *(rule("tags", "is_set", None), rule("tags", "starts_with", "A"), rule("lists", "contains", ids[0])),
        *(rule("engagement_score", "gte", 5), rule("created_at", "before", "2024-10-04")),
        *(rule("created_at", *each) for each in RELATIVE),
        *(rule("last_opened_at", *each) for each in RELATIVE[3:]),
    ]
    written = [*rules, *({"all": rng.sample(rules, 3)} for _ in range(60)), {"all": rules[9:11]}]
    nodes = {number: canonical.read(each) for number, each in enumerate(written)}
    views = [
        core_view(),
        *(core_view(email_as_sent=sent) for sent in ("a@bü.com", "A@Example.com", "")),
        *(core_view(company=name) for name in ("e\u0301", "é", "É", " ", "")),
        *(core_view(status=status) for status in ("bounced", "unsubscribed")),
        *(core_view(tags=tags) for tags in (["a"], ["b", "a"], ["a", "b"], ["A"], ["x"], ["x", "a"])),
        *(core_view(lists=on) for on in (ids, ids[::-1], ids[1:])),
        *(core_view(engagement_score=score) for score in (4.999, 5, 5.0)),
        *(core_view(created_at=at, last_opened_at=at) for at in (NOW, NOW - DAY, NOW - 9 * DAY, 0)),
    ]
    assert_remembered(nodes, views, rng)
    # Without the other readings of the fields.
    for name in ("created_at", "last_opened_at", "engagement_score", "lists", "company", "tags"):
        some = [each for each in rules if each["field"] == name]
        assert_remembered({n: canonical.read(each) for n, each in enumerate(some)}, views, rng)
    assert_remembered({1: canonical.read(rule("created_at", "is_set", None))}, views, rng)
