"""What the events of one name add up to: totals, exact sums, and the newest instants."""

from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.contact_view import ContactFields, ContactView
from diglot.conditions.events.field_values import EventFields
from diglot.conditions.events.states import (
    MAX_RECENT,
    CountedEvent,
    EventState,
    add_event,
    count_event,
    pack_instants,
    read_properties,
    to_decimal,
)
from diglot.conditions.events.states import unpack_instants as unpack
from diglot.conditions.explain import EventEvidence, RuleEvents, find_evidence
from diglot.conditions.python_compiler import compile_to_python
from diglot.conditions.tree import Op
from support.reporting import SEED

UTC = ZoneInfo("UTC")


def total_of(events: list[CountedEvent]) -> EventState | None:
    """Return the state of events in the order in which they arrive."""
    state = None
    for event in events:
        state = add_event(state, event)
    return state


def test_totals_do_not_depend_on_the_order_of_arrival(pytestconfig: pytest.Config) -> None:
    """Late events, and several of one instant, give the same state as all in order."""
    rng = Random(pytestconfig.stash[SEED])
    for size in (1, 2, 10, MAX_RECENT, MAX_RECENT + 1, 3 * MAX_RECENT):
        amounts = [Decimal(rng.randrange(-500, 500)) / 100 for _ in range(size)]
        events = [CountedEvent(rng.randrange(2 * size), amount) for amount in amounts]
        state = total_of(events)
        total = sum(amounts, start=Decimal(0))
        newest = sorted((event.at for event in events), reverse=True)
        assert state == EventState(size, newest[-1], newest[0], total, tuple(newest[:MAX_RECENT]))
        assert unpack(pack_instants(state.recent)) == state.recent


def test_sums_are_exact() -> None:
    """No digit of a sum is lost, from the largest double to the smallest."""
    sent: list[Any] = [1.7976931348623157e308, 5e-324, 0.1, 0.2, -0.3, 2**63 - 1, "12345678901234567890.5"]
    state = total_of([CountedEvent(0, to_decimal(value)) for value in sent * 100])
    assert state is not None
    assert Fraction(Decimal(str(state.revenue))) == 100 * sum(
        Fraction(value) if isinstance(value, str) else Fraction(Decimal(repr(value))) for value in sent
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(5, "5"), (0.1, "0.1"), (-2.50, "-2.5"), ("1.50", "1.50"), ("+3", "3"), (1e-7, "1e-7")],
        *[(None, "0"), (True, "0"), ("5 EUR", "0"), ("", "0"), ([5], "0"), ({"a": 5}, "0"), ("1e5", "0")],
    ],
)
def test_numbers_and_numeric_texts_have_amounts(value: Any, expected: str) -> None:
    assert to_decimal(value) == Decimal(expected)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("other", '{"data":{"plan":"pro"},"source":"app"}', {"plan": "pro"}),
        ("open", '{"source":"app"}', {}),
        ("view", '{"product_id":"p","price":5}', {"product_id": "p", "price": 5}),
        (
            "conversion",
            '{"revenue":5.5,"currency":"EUR","flow_id":null,"metadata":{"revenue":1,"a":[2]}}',
            {"revenue": 5.5, "currency": "EUR", "a": [2]},
        ),
    ],
)
def test_properties_of_each_kind(kind: str, body: str, expected: Any) -> None:
    assert read_properties(kind, body) == expected


def test_a_machine_is_not_counted() -> None:
    """Only the boolean true says that no person was there."""
    assert count_event({"machine": True, "revenue": 5}, 1) is None
    for said in (False, "true", 1, None):
        assert count_event({"machine": said, "revenue": "2.5"}, 1) == CountedEvent(1, Decimal("2.5"))


def test_a_long_state_still_tells_each_count() -> None:
    """Of more events than a state has instants, each count that a rule may name is told exactly."""
    state = total_of([CountedEvent(at) for at in range(3 * MAX_RECENT)])
    assert state is not None
    now = 3 * MAX_RECENT - 1 + 60_000_000
    for count in (1, 2, MAX_RECENT - 1):
        node = tree.Predicate("events.a.count.1m", Op.GTE, tree.Number(count))
        fields = EventFields(tree.fields_of(lower_condition(node)))
        view = ContactView(ContactFields(fields.read_values({"a": state})), {}, (), UTC)
        evaluate = compile_to_python({1: node}, UTC)
        leaves_at = 3 * MAX_RECENT - count + 60_000_000
        assert (evaluate(view, leaves_at), evaluate(view, leaves_at + 1)) == ([1], [])
        evidence = find_evidence(node, RuleEvents(state), leaves_at, UTC)
        assert (evidence.value, evidence.until) == (count, leaves_at + 1)
    missing = find_evidence(tree.Predicate("events.a.last_at", Op.IS_SET), RuleEvents(), now, UTC)
    assert missing == EventEvidence(None, (), None, None)


def test_only_fields_of_events_may_be_left_out() -> None:
    """A view without another field is a mistake."""
    fields = ContactFields()
    assert (fields["events.a.count"], fields["events.a.last_at"], fields["events.a.newest.3"]) == (
        0,
        None,
        None,
    )
    with pytest.raises(KeyError):
        fields["email"]
