"""The verdict on every part of a condition equals the oracle's, and is shown in both vendors' words."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from diglot.api.extensions import explain
from diglot.api.extensions.format import ExtensionFormat
from diglot.api.rules.writing import write_condition
from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_predicate
from diglot.conditions.contact_view import ContactView
from diglot.conditions.explain import Bounds, Verdict, bounds_of, explain_condition
from diglot.conditions.operands import RELATIVE_OPS
from diglot.dialects.misar.extensions import EXTENSIONS as MISAR
from diglot.dialects.topmail.extensions import EXTENSIONS as TOPMAIL
from diglot.model.contact_views import Surroundings, view_of
from diglot.model.contacts import Contact
from diglot.model.explanations import Explanation
from diglot.model.segments import Condition, OriginalText, Segment, SegmentType
from support import canonical, oracle, populations, random_conditions, spec_data
from support.fuzz.requests import expressible
from support.reporting import SEED

ROWS = spec_data.rows()
PEOPLE = spec_data.population()
ZONES = ("UTC", "Africa/Cairo", "America/New_York", "Pacific/Apia")
TREES = 200


def lists_of(contact: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(PEOPLE.lists[name] for name in contact.get("lists", ()) if name in PEOPLE.lists)


@cache
def stored(name: str) -> Contact:
    return populations.contact(PEOPLE.contacts[name], 0)


@cache
def nodes_of_rows() -> tuple[tree.Node, ...]:
    return tuple(canonical.read(row.condition) for row in spec_data.rows())


@cache
def subject(name: str, zone: str) -> ContactView:
    one = PEOPLE.contacts[name]
    around = Surroundings(lists_of(one), populations.event_values(one, nodes_of_rows(), zone))
    return view_of(stored(name), around, ZoneInfo(zone))


def parts_of(condition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a canonical condition; a predicate has none."""
    result: list[Mapping[str, Any]] = condition.get("all", condition.get("any", []))
    return [condition["not"]] if "not" in condition else result


def verdicts(condition: Mapping[str, Any], verdict: Verdict) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Pair every part of a canonical condition with its verdict."""
    yield condition, verdict.matches
    for part, judged in zip(parts_of(condition), verdict.parts, strict="field" not in condition):
        yield from verdicts(part, judged)


def disagreements(
    condition: Mapping[str, Any], verdict: Verdict, subject_: oracle.Subject, now: datetime, zone: str
) -> list[str]:
    """Return the parts on which the oracle disagrees."""
    return [
        json.dumps(part)
        for part, matches in verdicts(condition, verdict)
        if oracle.matches(part, subject_, now=now, zone=zone, lists=PEOPLE.lists) != matches
    ]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file}: {row.name}")
def test_every_part_of_a_row(row: spec_data.Row) -> None:
    """The root verdict is membership; each part's verdict is the oracle's."""
    node = canonical.read(row.condition, row.zone)
    now = populations.micros(row.now)
    for name, one in PEOPLE.contacts.items():
        verdict = explain_condition(node, subject(name, row.zone), now, ZoneInfo(row.zone))
        assert verdict.matches == (name in row.members), name
        known = oracle.Subject(one, row.zone, PEOPLE.lists)
        assert disagreements(row.condition, verdict, known, row.now, row.zone) == [], name


def test_random_conditions(pytestconfig: pytest.Config) -> None:
    """The verdict on every part of a random condition is the oracle's."""
    seed = pytestconfig.stash[SEED]
    rng = Random(seed)
    ids = tuple(PEOPLE.lists.values())
    wrong: list[str] = []
    for number in range(TREES):
        zone = rng.choice(ZONES)
        condition = random_conditions.condition(rng, ids)
        node = canonical.read(condition, zone)
        people = [random_conditions.contact(rng, number) for _ in range(10)]
        for contact in people:
            around = Surroundings(lists_of(contact))
            read = view_of(populations.contact(contact, 0), around, ZoneInfo(zone))
            verdict = explain_condition(node, read, populations.micros(random_conditions.NOW), ZoneInfo(zone))
            known = oracle.Subject(contact, zone, PEOPLE.lists)
            wrong += disagreements(condition, verdict, known, random_conditions.NOW, zone)
    assert not wrong, f"--random-seed {seed}:\n" + "\n".join(wrong[:5])


def test_days_match_the_shown_instants() -> None:
    """A rule of days before now is true for exactly the instants within its bounds."""
    seen = set()
    for row in ROWS:
        now, zone = populations.micros(row.now), ZoneInfo(row.zone)
        for predicate in tree.predicates_of(canonical.read(row.condition, row.zone)):
            bounds = bounds_of(predicate, now, zone)
            if bounds is None:
                assert not isinstance(predicate.operand, tree.Duration)
                continue
            seen.add(predicate.op)
            (lowered,) = tree.predicates_of(lower_predicate(predicate))
            for name in PEOPLE.contacts:
                result = explain_condition(predicate, subject(name, row.zone), now, zone).matches
                assert result == is_within(instant_of(name, lowered.field, row.zone), bounds), (
                    row.name,
                    name,
                )
    assert seen == RELATIVE_OPS


def is_within(value: int | None, bounds: Bounds) -> bool:
    """Return whether an instant is within bounds."""
    return (
        value is not None
        and (bounds.first is None or bounds.first <= value)
        and (bounds.last is None or value <= bounds.last)
        and (bounds.end is None or value < bounds.end)
    )


def instant_of(name: str, field: str, zone: str) -> int | None:
    """Return the instant in a field of a contact."""
    person = subject(name, zone)
    if not field.startswith("attributes."):
        result: int | None = person.fields[field]
        return result
    attribute = person.view_attribute(field.removeprefix("attributes."))
    return None if attribute is None else attribute.instant


SHOWN = [(MISAR, "custom_fields"), (TOPMAIL, "attributes")]


@pytest.mark.parametrize(("form", "attributes"), SHOWN, ids=["misar", "topmail"])
def test_an_explained_condition_equals_the_condition(form: ExtensionFormat, attributes: str) -> None:
    """Without verdicts it is the dialect's condition; its values are those of the contact's response."""
    words = form.words
    for row in ROWS:
        node = canonical.read(expressible(dict(row.condition)), row.zone)
        now, zone = populations.micros(row.now), ZoneInfo(row.zone)
        for name in list(PEOPLE.contacts)[:: len(PEOPLE.contacts) // 3]:
            contact = stored(name)
            verdict = explain_condition(node, subject(name, row.zone), now, zone)
            one = explanation(node, contact, verdict, now, row.zone)
            shown = msgspec.json.decode(msgspec.json.encode(form.show_contact(contact)))
            result = explain.render_condition(one, form)
            assert result is not None
            read = msgspec.json.decode(result)
            assert read["matches"] == verdict.matches
            assert json.dumps(without_verdicts(read)) == json.dumps(json.loads(write_condition(node, words)))
            for rule in rules_in(read):
                field = rule["rule"]["field"]
                if field.startswith("events."):
                    continue
                if field.startswith(("sample", "anniversary.")):
                    read_by = oracle.Subject(PEOPLE.contacts[name], row.zone, PEOPLE.lists)
                    computed = read_by.field_at(field.replace(words.attribute_prefix, "attributes."), row.now)
                    assert rule["value"] == (computed.values[0].number if computed.values else None)
                    continue
                known = {**shown, "lists": list(one.list_ids), "subscribed": contact.status == "subscribed"}
                own = field.removeprefix(words.attribute_prefix)
                value = known[field] if own == field else known[attributes].get(own)
                assert rule["value"] == value, field


def explanation(node: tree.Node, contact: Contact, verdict: Verdict, now: int, zone: str) -> Explanation:
    segment = Segment(
        number=1,
        id="0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60",
        name="x",
        description=None,
        type=SegmentType.DYNAMIC,
        condition=Condition(node, OriginalText("canonical", "{}")),
        revision=1,
        last_calculated_at=None,
        created_at=0,
        updated_at=0,
    )
    return Explanation(segment, contact, ("a", "b"), {}, verdict.matches, verdict, None, now, ZoneInfo(zone))


def without_verdicts(shown: dict[str, Any]) -> Any:
    """Return an explained condition without its explanation."""
    if "rule" in shown:
        return shown["rule"]
    plain = {key: value for key, value in shown.items() if key != "matches"}
    return plain | {"rules": [without_verdicts(part) for part in shown["rules"]]}


def rules_in(shown: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rules of an explained condition."""
    if "rule" in shown:
        yield shown
    for part in shown.get("rules", ()):
        yield from rules_in(part)
