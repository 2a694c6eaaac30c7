"""Conditions in words, and the geometry of charts."""

import pytest

from diglot.conditions import tree
from diglot.conditions.tree import Op
from diglot.console.charts import Moves, draw_chart, draw_sparkline
from diglot.console.templates import WallClock
from diglot.console.words import Sentence, describe_condition, name_field, say_rule

NEVER = 2**62


@pytest.mark.parametrize("op", Op)
def test_every_operator_has_words(op: Op) -> None:
    """An operator and its negation are said in different words."""
    predicate = tree.Predicate("attributes.x", op, None)
    assert say_rule(predicate).phrase != say_rule(tree.Not(predicate)).phrase


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("first_name", "first name"),
        ("last_opened_at", "last opened"),
        ("attributes.Plan", "“Plan”"),
        ("sample", "random number (0 to 100)"),
        ("sample.test", "random number “test” (0 to 100)"),
        ("anniversary.created_at", "days until the next anniversary of created"),
        ("events.a.b.count", "number of “a.b” events"),
        ("events.buy.count.1h", "number of “buy” events in the last 1 hour"),
        ("events.buy.count.90m", "number of “buy” events in the last 90 minutes"),
        ("events.buy.first_at", "first “buy” event"),
        ("events.buy.sum.price", "sum of “price” of “buy” events"),
        ("events.buy.sum.price.30d", "sum of “price” of “buy” events in the last 30 days"),
    ],
)
def test_fields_have_names(name: str, words: str) -> None:
    """A field is named as people call it."""
    assert name_field(name) == words


@pytest.mark.parametrize(
    ("op", "operand", "words"),
    [
        (Op.EQUALS, tree.Boolean(True), "yes"),
        (Op.EQUALS, tree.Text("a"), "“a”"),
        (Op.GT, tree.Number(5), "5"),
        (Op.BEFORE, tree.Day("2026-01-02"), "2026-01-02"),
        (Op.BEFORE, tree.Instant(0), "1970-01-01T00:00:00Z"),
        (Op.IN_LAST_DAYS, tree.Days(1), "1 day"),
        (Op.MORE_THAN_HOURS_AGO, tree.Hours(2), "2 hours ago"),
        (Op.IN, tree.Values(()), "no values"),
        (
            Op.IN,
            tree.Values(tuple(map(tree.Number, range(22)))),
            f"{', '.join(map(str, range(20)))} and 2 more",
        ),
        (Op.IS_SET, None, ""),
    ],
)
def test_operands_have_words(op: Op, operand: tree.Operand, words: str) -> None:
    """A value is said with its unit, and many values are not all said."""
    assert say_rule(tree.Predicate("attributes.x", op, operand)).value == words


def test_a_single_rule_is_a_group() -> None:
    """A condition is always shown as a group."""
    rule = tree.Predicate("email", Op.IS_SET)
    assert describe_condition(rule).items == (Sentence("email", "has a value"),)


def test_charts_have_room_for_all_sizes() -> None:
    """Equal sizes, no members and large ones stay inside of the chart."""
    for sizes in ([0], [5, 5], [0, 1_000_000], [990, 1_000], [900, 1_000]):
        chart = draw_chart([Moves(0, 1, size, size, 0) for size in sizes])
        heights = [float(point.partition(",")[2]) for point in chart.line.split()]
        assert all(0 <= height <= 200 for height in heights)
        assert chart.low <= min(sizes)
        assert chart.high >= max(sizes)
    assert draw_sparkline([3], 10, 10) == "0.0,5.0 10.0,5.0"


def test_times_are_those_of_the_workspace() -> None:
    """An instant is shown in the zone; one that never comes is not shown."""
    clock = WallClock("Europe/Berlin")
    assert clock.moment(1_772_366_400_000_000) == "1 Mar 2026, 13:00"
    assert clock.day(1_772_366_400_000_000) == "1 Mar 2026"
    assert clock.iso(0) == "1970-01-01T01:00:00+01:00"
    assert (clock.day(None), clock.moment(NEVER)) == ("", "")
    assert clock.day(10**18) == ""


def test_events_are_said_with_what_they_match() -> None:
    """The rules that events have to match follow the field."""
    price, tag = (
        tree.Predicate("attributes.price", Op.GT, tree.Number(5)),
        tree.Predicate("attributes.x", Op.IS_SET),
    )
    rule = tree.Predicate("events.buy.count", Op.GTE, tree.Number(1), tree.All((price, tree.Not(tag))))
    said = say_rule(rule)
    assert (
        said.field == "number of “buy” events, only those whose “price” is more than 5 and “x” has no value"
    )
    assert (said.phrase, said.value) == ("is at least", "1")
    either = tree.Predicate("events.buy.count", Op.GTE, tree.Number(1), tree.Any((price, tag)))
    assert " or " in say_rule(either).field


def test_segments_are_said_by_their_names() -> None:
    """A rule on segments names them, or shows the id of one that is unknown."""
    one = tree.Predicate("segments", Op.EQUALS, tree.Text("id1"))
    assert say_rule(one, {"id1": "Big"}) == Sentence("the contact", "is in the segment", "“Big”")
    assert say_rule(tree.Not(one)) == Sentence("the contact", "is not in the segment", "“id1”")
    many = tree.Predicate("segments", Op.IN, tree.Values(tuple(tree.Text(f"id{n}") for n in range(22))))
    assert say_rule(many).value.endswith("“id19” and 2 more")
    assert say_rule(tree.Not(many)).phrase == "is in none of the segments"
