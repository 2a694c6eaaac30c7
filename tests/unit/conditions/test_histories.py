"""What events count for: gathered at once, in parts and with one event more, they have the same values."""

import json
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.events.fields import is_event_field
from diglot.conditions.events.sum_tests import is_short
from diglot.conditions.histories.fields import FieldsOfName, HistoryFields, gather_matching
from diglot.conditions.histories.matching import EventMatcher
from diglot.conditions.histories.past_events import History, PastEvent, sort_events
from support import canonical, populations, random_events
from support.reporting import SEED, Tally

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
NAME = "purchase"


def _fields(rng: Random) -> FieldsOfName | None:
    """Return the history fields of a name that some random conditions need, if any of them does."""
    nodes = [lower_condition(canonical.read(random_events.condition(rng, NOW))) for _ in range(8)]
    mentioned = {field for node in nodes for field in tree.fields_of(node)}
    return HistoryFields(filter(is_event_field, mentioned), ZONE).by_event.get(NAME)


def _history(rng: Random) -> History:
    """Return events in a random order, some of one instant, and some with a long body."""
    made = [event for _ in range(4) for event in random_events.events(rng, NOW)]
    for event in made:
        event["name"] = NAME
        if rng.random() < 0.1:
            event["properties"] = {**event.get("properties", {}), "note": "n" * 400}
    return populations.histories_of({"events": made}).get(NAME, ())


def test_an_event_more_has_the_values_of_all_events(pytestconfig: pytest.Config, tally: Tally) -> None:
    """Whether it is the newest or came late; older ones may be gathered apart from newer ones."""
    rng, compared = Random(pytestconfig.stash[SEED]), 0
    for _ in range(300):
        fields, events = _fields(rng), list(_history(rng))
        if fields is None or not events:
            continue
        event = events.pop(rng.choice((0, rng.randrange(len(events)))))
        part = {one.number for one in events if rng.random() < 0.5}
        gathered = fields.gather([one for one in events if one.number not in part])
        newer = fields.gather([one for one in events if one.number in part])
        merged = {
            what: found.merge(newer[what]) if newer[what].instants else found
            for what, found in gathered.items()
        }
        for before in (merged, fields.gather(events)):
            old, new = fields.read_around(before, event, {"other": 1})
            assert old == {"other": 1, **fields.read_values(events)}
            assert new == {"other": 1, **fields.read_values(sort_events([*events, event]))}
            compared += 1
        old, new = fields.read_around(fields.gathered_of_none, event, {})
        assert (old, new) == (fields.read_values(()), fields.read_values([event]))
    assert compared > 100
    tally("values before and after an event", "all", compared)


def test_other_names_keep_their_values() -> None:
    """An event whose name no field has changes nothing."""
    event = PastEvent(1, 1, "other", "{}")
    assert HistoryFields((), ZONE).read_around("a", {}, event, {"b": 1}) == ({"b": 1}, {"b": 1})


def test_a_null_property_is_a_missing_one(pytestconfig: pytest.Config) -> None:
    """So what is remembered of texts holds for both, whatever the rules ask."""
    rng = Random(pytestconfig.stash[SEED])
    for _ in range(500):
        where = random_events.where(rng)
        rule = {"field": "events.a.count.1d", "operator": "gte", "operand": 1, "where": where}
        mentioned = tree.fields_of(lower_condition(canonical.read(rule)))
        fields = HistoryFields(filter(is_event_field, mentioned), ZONE).by_event["a"]
        nulls: dict[str, Any] = dict.fromkeys(random_events.KEYS)
        read = [fields.read_values([_event(properties)]) for properties in ({}, nulls, {**nulls, "x": 1})]
        assert read[0] == read[1] == read[2], where


def _event(properties: dict[str, Any], at: int = 1) -> PastEvent:
    return PastEvent(at, at, "other", json.dumps({"data": properties}))


def _where(rule: dict[str, Any]) -> str:
    return tree.encode(canonical.read({**rule, "field": f"attributes.{rule['field']}"}))


def test_texts_are_matched_by_what_they_are() -> None:
    """A text is no number or truth value that is written alike, and a long body counts as a short one."""
    where = _where({"field": "a", "operator": "gt", "operand": 4})
    for value, expected in ((5, 1), ("5", 1), (True, 0), ("true", 0), ("", 0), (None, 0), ([5], 0)):
        events = [_event({"a": value}, 2), _event({"a": value, "note": "n" * 400}, 1)]
        assert len(gather_matching(events, where, "", ZONE).instants) == 2 * expected, value


def test_two_spellings_of_a_property_are_one() -> None:
    """The last one counts, for rules and for sums."""
    where = _where({"field": "caf\u00e9", "operator": "equals", "operand": "b"})
    matcher = EventMatcher([(where, ""), (where, "caf\u00e9")], ZONE)
    for names, expected in ((("cafe\u0301", "caf\u00e9"), 2), (("caf\u00e9", " cafe\u0301 "), 2)):
        first, last = names
        assert len(matcher.count(_event({first: "a", last: "b"}))) == expected
        assert not matcher.count(_event({first: "b", last: "a"}))


@pytest.mark.parametrize("count", [1, 200])
def test_jumps_of_a_long_test_are_those_of_a_short_one(count: int) -> None:
    """A test of many numbers is not kept with the fields."""
    rule = {
        "field": "events.a.sum.p.1d",
        "operator": "in",
        "operand": [3, *range(1_000, 1_000 + count)],
    }
    mentioned = tree.fields_of(lower_condition(canonical.read(rule)))
    fields = HistoryFields(filter(is_event_field, mentioned), ZONE).by_event["a"]
    [(field, parsed)] = fields.fields.items()
    assert is_short(parsed.test) is (count == 1)
    events = [_event({"p": amount}, at) for at, amount in ((30, 2), (20, 1), (10, 5))]
    assert fields.read_values(events) == {field: (10, 20)}
    old, new = fields.read_around(fields.gather(events[1:]), _event({"p": 2}, 30), {})
    assert (old, new) == ({}, {field: (10, 20)})
    old, new = fields.read_around(fields.gather(events), _event({"p": 7}, 40), {})
    assert (old, new) == ({field: (10, 20)}, {})
