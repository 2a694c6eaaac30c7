"""What a predicate asks has the meaning of the compiled function, which the rows of the spec judge."""

from bisect import bisect_right
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates, tree
from diglot.conditions.computed.anniversaries import days_until
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.predicates import question_of
from diglot.conditions.index.questions import (
    AnyOf,
    FoldedTexts,
    Form,
    HasPart,
    OddSince,
    OnAnniversary,
    OnDay,
    Question,
    Reading,
    Within,
    sort_edges,
)
from diglot.conditions.index.readings import reader_of
from diglot.conditions.python_compiler import compile_to_python
from diglot.conditions.relative_dates import bounds
from diglot.conditions.tree import Op
from support import canonical, populations, spec_data
from support import random_conditions as drawn
from support.reporting import SEED, Tally
from unit.conditions.test_python_compiler import PEOPLE, ROWS, ZONES, population, subject

UTC = ZoneInfo("UTC")
FAR = 2**53
# Operands that conditions cannot have today, but for which the compiled function has an answer.
UNUSUAL = (
    tree.Predicate("attributes.x", Op.EQUALS, tree.Day("2026-01-01")),
    tree.Predicate("attributes.x", Op.STARTS_WITH, tree.Boolean(True)),
    tree.Predicate("attributes.x", Op.ENDS_WITH, tree.Number(5)),
)
NUMBERS = (FAR, FAR + 1, -FAR, -FAR - 1, FAR - 1, float(FAR), float(2**60), 2**60, 2**60 + 1, 0, -0.0, 5, 5.0)


def holds(question: Question, view: ContactView, now: int, zone: ZoneInfo) -> bool:
    """Return the answer to a question, found in the plainest way."""
    value, test = reader_of(question.reading)(view), question.test
    if isinstance(test, AnyOf):
        return not test.keys.isdisjoint(value)
    if isinstance(test, HasPart):
        return _has_part(test, value)
    if value is None:
        return False
    if isinstance(test, OnDay):
        begin, end = bounds(Op.EXACTLY_DAYS_AGO, tree.Days(test.days), now, zone)
        return bool(begin <= value < end)
    if isinstance(test, OnAnniversary):
        return bool(test.distances >> days_until(value, dates.local_date(now, zone)) & 1)
    if isinstance(test, OddSince):
        return bool(sum(instant >= now - test.length for instant in value) % 2)
    value = value - now if question.reading.form is Form.DISTANCE else value
    edges = sort_edges([test])
    return any(low <= bisect_right(edges, value) < high for low, high in test.positions(edges))


def _has_part(test: HasPart, value: FoldedTexts) -> bool:
    if test.element is not None and value.elements is not None:
        return test.element in value.elements
    method = {Op.CONTAINS: "__contains__", Op.STARTS_WITH: "startswith", Op.ENDS_WITH: "endswith"}[test.op]
    return any(getattr(text, method)(test.part) for text in value.texts)


def assert_agree(node: tree.Node, views: list[ContactView], now: int, zone: ZoneInfo) -> int:
    """Compare the answers for each predicate of a condition with the compiled function; count them."""
    count = 0
    for predicate in tree.predicates_of(node):
        question, evaluate = question_of(predicate, zone), compile_to_python({0: predicate}, zone)
        for view in views:
            assert holds(question, view, now, zone) == bool(evaluate(view, now)), (predicate, question)
            count += 1
    return count


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}: {row.name}")
def test_the_predicates_of_a_row(row: spec_data.Row) -> None:
    """Each predicate of a row has the answers of the compiled function."""
    views = list(population(row.zone).values())
    assert_agree(
        lower_condition(canonical.read(row.condition, row.zone)),
        views,
        populations.micros(row.now),
        ZoneInfo(row.zone),
    )


def test_random_predicates_agree(pytestconfig: pytest.Config, tally: Tally) -> None:
    """Random predicates and contacts have the answers of the compiled function."""
    seed = pytestconfig.stash[SEED]
    rng = Random(seed)
    now, pairs = populations.micros(drawn.NOW), 0
    for _ in range(pytestconfig.getoption("random_trees") // 10):
        zone = rng.choice(ZONES)
        views = [subject(drawn.contact(rng, n), zone, PEOPLE.lists) for n in range(20)]
        node = canonical.read(drawn.condition(rng, tuple(PEOPLE.lists.values())), zone)
        pairs += assert_agree(node, views, now, ZoneInfo(zone))
    tally("random pairs of predicate and contact", "questions of the index", pairs)


@pytest.mark.parametrize("op", [Op.GT, Op.GTE, Op.LT, Op.LTE, Op.EQUALS, Op.CONTAINS])
@pytest.mark.parametrize("operand", NUMBERS)
def test_big_integers_stay_exact(op: Op, operand: float) -> None:
    """Two big integers are compared exactly, and others as doubles, in scalars, texts and arrays."""
    values: list[Any] = [*NUMBERS, *map(str, NUMBERS), list(NUMBERS[:2]), [5.0], [], None, "x", True, {}]
    views = [ContactView({}, {"n": value}, (), UTC) for value in values]
    node = tree.Predicate("attributes.n", op, tree.Number(operand))
    assert assert_agree(node, [*views, ContactView({}, {}, (), UTC)], 0, UTC) == len(values) + 1
    if op is Op.EQUALS:
        mixed = tree.Values((tree.Number(operand), tree.Text("x"), tree.Boolean(True)))
        assert_agree(tree.Predicate("attributes.n", Op.IN, mixed), views, 0, UTC)


@pytest.mark.parametrize("predicate", UNUSUAL, ids=tree.encode)
def test_unusual_operands(predicate: tree.Predicate) -> None:
    """Operands that the checks refuse mean what they mean to the compiled function."""
    values = ["2026-01-01", True, "true", [True], 5, [5], ["true", "5"]]
    views = [ContactView({}, {"x": value}, (), UTC) for value in values]
    assert_agree(predicate, views, 0, UTC)


def test_a_day_is_skipped() -> None:
    """A day that a time zone skipped holds no instant, and its neighbors hold theirs."""
    apia = ZoneInfo("Pacific/Apia")
    days: list[tree.Scalar] = [tree.Day(f"2011-12-{day}") for day in (29, 30, 31)]
    begin, end = dates.operand_to_span(tree.Day("2011-12-29"), apia)
    views = [ContactView({"created_at": at}, {}, (), apia) for at in (begin - 1, begin, end - 1, end)]
    operands: list[tree.Operand] = [*days, tree.Values(tuple(days)), tree.Values(())]
    for operand in operands:
        op = Op.IN if isinstance(operand, tree.Values) else Op.EQUALS
        assert_agree(tree.Predicate("created_at", op, operand), views, 0, apia)


def test_a_question_names_its_reading_and_its_test() -> None:
    """Predicates on one form of a field share a reading."""
    old, recent = (
        question_of(tree.Predicate("created_at", op, tree.Days(3)), UTC)
        for op in (Op.MORE_THAN_DAYS_AGO, Op.IN_LAST_DAYS)
    )
    assert old.reading == recent.reading == Reading("created_at", Form.DISTANCE)
    assert isinstance(old.test, Within)
    assert old.test.spans[0][0] is None
    assert question_of(tree.Predicate("company", Op.CONTAINS, tree.Text("İX")), UTC) == Question(
        Reading("company", Form.FOLDED), HasPart(Op.CONTAINS, "i̇x")
    )
