"""The rules in a form: nothing is lost from a condition to its inputs and back."""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import pytest

from diglot.api.rules.reading import MAX_ITEMS_READ, read_condition
from diglot.api.rules.writing import write_condition
from diglot.conditions import tree
from diglot.conditions.check import check_condition
from diglot.console import templates
from diglot.console.builder.draft import Draft, check_draft, read_draft
from diglot.console.builder.editing import NEW_RULE, change_rules
from diglot.console.builder.fields import (
    ANNIVERSARY_SOURCES,
    choose_field,
    find_field_fault,
    spell_field,
)
from diglot.console.builder.nodes import (
    ChosenField,
    GroupForm,
    RawForm,
    RuleForm,
    find_part,
    iterate_nodes,
    list_ids,
)
from diglot.console.builder.pasting import read_pasted, say_faults
from diglot.console.builder.reading import read_rules
from diglot.console.builder.views import Drawing
from diglot.console.builder.writing import show_nodes
from diglot.console.forms import Form, parse_form
from diglot.console.pages.builder.forms import Beside
from diglot.console.words import say_operator
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.errors import InvalidInput, MalformedRequest
from diglot.service.audience.vocabulary import Examples, Vocabulary
from support import canonical, random_conditions, spec_data
from support.dialect_data import Pair, load_dialects
from support.fuzz.requests import expressible
from support.reporting import SEED
from support.servers.page_form import as_sent, read_page_form

NAMES: Final = [one.name for one in DIALECTS]
LISTS: Final = tuple(spec_data.population().lists.values())
KNOWN: Final = Vocabulary(
    attributes=("plan", "seats", "on", "birthday"),
    segments={"01a215b6-dd88-7b26-b49e-0dc94844a325": "Vips"},
    lists={id_: name for name, id_ in spec_data.population().lists.items()},
    tags=("vip",),
    events=("purchase",),
    examples={
        "attributes.plan": Examples("text", ["pro"]),
        "attributes.seats": Examples("number", ["5"]),
        "attributes.on": Examples("boolean", ["true"]),
        "attributes.birthday": Examples("date", ["1990-02-28"]),
    },
)
NO_RULES: Final = GroupForm()
SAMPLED: Final = 60
RANDOM: Final = 40


def render(draft: Draft) -> str:
    """Return the form of a draft."""
    drawing = Drawing(KNOWN, draft.segment)
    rules = drawing.draw_rules(draft.rules)
    return templates.render(
        "builder/form.html",
        templates.WallClock("UTC"),
        csrf_token="x",
        draft=draft,
        rules=rules,
        drawing=drawing,
        beside=Beside(),
        units=(("", "ever"), ("d", "days"), ("h", "hours"), ("m", "minutes")),
        anniversary_sources=ANNIVERSARY_SOURCES,
        dialects=DIALECTS,
    )


def send(page: str) -> Draft:
    """Return what a browser sends of a form that nobody touched, as the server reads it."""
    pairs = as_sent(read_page_form(page, "builder").pairs)
    return read_draft(parse_form(urlencode(pairs).encode()))


def as_rules(condition: Any) -> tree.Node:
    """Return a canonical condition without negated groups, which no vendor can write."""
    return canonical.read(expressible(condition), "UTC")


def survive(nodes: Sequence[tree.Node], dialect: str) -> int:
    """Show conditions in one form, send it back, and compare; return how many rules had inputs."""
    words = get_dialect(dialect).words
    # What dialects write and read is the condition that is stored.
    stored = [
        check_condition(read_condition(json.loads(write_condition(one, words)), words)) for one in nodes
    ]
    groups = tuple(show_nodes(one, words) for one in stored)
    draft = send(render(Draft("x", dialect=dialect, rules=GroupForm("all", groups))))
    assert len(draft.rules.items) == len(stored)
    shown = 0
    for node, group in zip(stored, draft.rules.items, strict=True):
        assert isinstance(group, GroupForm)
        checked = check_draft(Draft("x", dialect=dialect, rules=group), strict=False)
        assert checked.faults == {}
        assert checked.condition is not None
        assert tree.encode(checked.condition.tree) == tree.encode(node)
        shown += sum(isinstance(part, RuleForm) for _, part in iterate_nodes(group))
    return shown


def list_conditions() -> list[tree.Node]:
    """Return all conditions of the truth tables, at the limits, and of the dialects."""
    found: list[Any] = [row.condition for row in spec_data.rows()]
    found += [row.condition for row in spec_data.acceptances()]
    found += [pair.condition for pair in pairs_of_dialects()]
    return [as_rules(one) for one in found]


def pairs_of_dialects() -> Iterator[Pair]:
    """Yield what each dialect writes, with its meaning."""
    for one in load_dialects().values():
        yield from one.pairs


def chunks(nodes: Sequence[tree.Node], size: int = 40) -> Iterator[Sequence[tree.Node]]:
    """Yield conditions, some at a time."""
    for begin in range(0, len(nodes), size):
        yield nodes[begin : begin + size]


@pytest.mark.parametrize("dialect", NAMES)
def test_each_condition_of_the_spec_becomes_inputs_and_back(dialect: str) -> None:
    """All that the truth tables and the dialects have is the same after it was shown as rules of the form."""
    words, conditions = get_dialect(dialect).words, list_conditions()
    shown = 0
    for node in conditions:
        group = show_nodes(node, words)
        checked = check_draft(Draft("x", dialect=dialect, rules=group), strict=False).condition
        assert checked is not None
        assert write_condition(checked.tree, words) == write_condition(node, words)
        shown += sum(isinstance(part, RuleForm) for _, part in iterate_nodes(group))
    # Most rules have inputs; what they cannot hold, such as a line end, is text.
    assert shown > 0.9 * len(conditions)


@pytest.mark.parametrize("dialect", NAMES)
def test_conditions_of_the_spec_survive_a_page(dialect: str, pytestconfig: pytest.Config) -> None:
    """They come back from the page as they were, in the order and with the texts that a browser sends."""
    conditions = list_conditions()
    if not pytestconfig.getoption("full"):
        conditions = Random(f"{pytestconfig.stash[SEED]} {dialect}").sample(conditions, SAMPLED)
    for some in chunks(conditions):
        survive(some, dialect)


@pytest.mark.parametrize("dialect", NAMES)
def test_random_conditions_survive_the_form(dialect: str, pytestconfig: pytest.Config) -> None:
    """So do conditions of any depth over hard values."""
    rng = Random(f"{pytestconfig.stash[SEED]} {dialect}")
    amount = RANDOM * (20 if pytestconfig.getoption("full") else 1)
    nodes = [as_rules(random_conditions.condition(rng, LISTS)) for _ in range(amount)]
    assert sum(survive(some, dialect) for some in chunks(nodes)) > amount


@pytest.mark.parametrize(
    "value",
    [
        {"field": "plan", "operator": "equals", "value": ""},
        {"field": "plan", "operator": "equals", "value": "a\nb"},
        {"field": "plan", "operator": "equals", "value": "a\rb"},
        {"field": "plan", "operator": "in_list", "value": ["a", 1]},
        {"field": "plan", "operator": "in_list", "value": []},
        {"field": "status", "operator": "in_list", "value": ["bounced", "bounced"]},
        {"field": "events.a\nb.count", "operator": "gte", "value": 1},
        {
            "field": "events.buy.count",
            "operator": "gte",
            "value": 1,
            "where": {"match": "any", "rules": [{"field": "x", "operator": "equals", "value": "a\nb"}]},
        },
    ],
)
def test_what_no_input_holds_is_text(value: dict[str, Any]) -> None:
    """Such a rule is shown as JSON, and read as the same rule."""
    words = get_dialect("topmail").words
    node = check_condition(read_condition({"rules": [value]}, words))
    (shown,) = show_nodes(node, words).items
    assert isinstance(shown, RawForm)
    assert survive([node], "topmail") == 0


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("email", ChosenField("email")),
        ("segments", ChosenField("segments")),
        ("attributes.plan", ChosenField("attribute", "plan")),
        ("sample", ChosenField("sample")),
        ("sample.a.b", ChosenField("sample", "a.b")),
        ("anniversary.created_at", ChosenField("anniversary", "created_at")),
        ("anniversary.attributes.birthday", ChosenField("anniversary", "birthday")),
        ("anniversary.attributes.created_at", ChosenField("anniversary", "attributes.created_at")),
        ("anniversary.attributes.sample", ChosenField("anniversary", "attributes.sample")),
        ("events.a.b.count", ChosenField("events.count", "a.b")),
        ("events.buy.count.24h", ChosenField("events.count", "buy", "", "24", "h")),
        ("events.count.count.90m", ChosenField("events.count", "count", "", "90", "m")),
        ("events.buy.last_at", ChosenField("events.last_at", "buy")),
        ("events.buy.sum.price", ChosenField("events.sum", "buy", "price")),
        ("events.buy.sum.price.30d", ChosenField("events.sum", "buy", "price", "30", "d")),
    ],
)
def test_fields_are_chosen_and_spelled(name: str, chosen: ChosenField) -> None:
    """A field becomes a choice, and the choice becomes the field."""
    assert choose_field(name) == chosen
    if "birthday" not in name:
        assert spell_field(chosen, "attributes.") == name
    assert find_field_fault(chosen) is None


@pytest.mark.parametrize(
    ("chosen", "fault"),
    [
        (ChosenField(""), "Choose a field"),
        (ChosenField("nonsense"), "Choose a field"),
        (ChosenField("attribute", " "), "Say which attribute"),
        (ChosenField("events.count"), "Say which event"),
        (ChosenField("events.sum", "buy"), "Say which property is added up"),
        (ChosenField("events.count", "buy", "", "", "h"), "Say how long the window is"),
        (ChosenField("events.count", "buy", "", "x", "d"), None),
        (ChosenField("events.sum", "buy", "30d"), None),
        (ChosenField("events.sum", "a.sum.b", "30d"), None),
        (ChosenField("events.sum", "a", "b.sum.c"), "This would be read as sum of “c” of “a.sum.b” events"),
        (
            ChosenField("events.count", "buy", "", "5d.count.6", "d"),
            "This would be read as number of “buy.count.5d” events in the last 6 days",
        ),
    ],
)
def test_a_choice_is_never_read_as_another_field(chosen: ChosenField, fault: str | None) -> None:
    """What would be spelled as another field is a fault; what is spelled wrongly is refused by the check."""
    assert find_field_fault(chosen) == fault
    rule = RuleForm(chosen, "gte", "number", ("1",))
    assert check_draft(Draft("x", rules=GroupForm(items=(rule,))), strict=False).condition is None


def test_texts_of_a_form_are_read_as_the_api_reads_a_body() -> None:
    """Blank values are missing, and each fault belongs to a part."""
    rules = GroupForm(
        "all",
        (
            RuleForm(ChosenField("email"), "equals", "text", ("",)),
            RuleForm(ChosenField("total_orders"), "gte", "number", ("many",)),
            RuleForm(ChosenField("total_orders"), "in", "number", ("1", "x")),
            RuleForm(ChosenField("subscribed"), "equals", "boolean", ("perhaps",)),
            RuleForm(ChosenField("created_at"), "in_last_days", "count", ("soon",)),
            RuleForm(ChosenField("segments"), "in", "segment", ("nonsense",)),
            RuleForm(ChosenField("email"), "equals", "text", ("a", "b")),
            RuleForm(ChosenField("email"), "nonsense", "text", ("a",)),
            RawForm("[]"),
            RawForm('{"field": "email", "field": "x"}'),
            GroupForm(),
        ),
    )
    checked = check_draft(Draft("", "x" * 1_001, rules=rules), strict=False)
    assert checked.condition is None
    # A repeated key is refused before anything else is read.
    own = {"c-1": "Expected a number", "c-2": "Value 2: Expected a number", "c-3": "Choose yes or no"}
    told = {"c-8": "This is not valid JSON", "c-9": "The key is given twice"} | own
    assert checked.faults == {id_: [message] for id_, message in told.items()}
    items = (*rules.items[:9], rules.items[10])
    faults = check_draft(Draft("", "x" * 1_001, rules=GroupForm("all", items)), strict=False).faults
    assert set(faults) == {"name", "description", *(f"c-{index}" for index in range(10))}
    assert faults["c-0"] == ["Fill in a value"]
    assert faults["c-2"] == ["Value 2: Expected a number"]
    assert faults["c-6"] == ["Expected string, received array"]
    assert faults["c-9"] == ["A nested group has at least one rule"]


def test_numbers_keep_what_they_are() -> None:
    """5 and 5.0 are two operands, and text that is a number is a number as the API reads it."""
    for text, value in (("5", 5), ("5.0", 5.0), (" 1e3 ", 1e3), ("+5", 5), ("007", 7), ("0" * 30, 0)):
        rule = RuleForm(ChosenField("total_spent"), "gte", "number", (text,))
        checked = check_draft(Draft("x", rules=GroupForm(items=(rule,))), strict=False)
        assert checked.condition is not None
        (predicate,) = tree.predicates_of(checked.condition.tree)
        assert isinstance(predicate.operand, tree.Number)
        assert msgspec.json.encode(predicate.operand.value) == msgspec.json.encode(value)


@pytest.mark.parametrize(
    "pairs",
    [
        [("c-1.kind", "rule")],
        [("c-0.kind", "rule"), ("c-2.kind", "rule")],
        [("c-0-0.kind", "rule")],
        [("c-0.kind", "json"), ("c-0-0.kind", "rule")],
        [("c" + "-0" * depth + ".kind", "group") for depth in range(1, 20)],
    ],
)
def test_a_form_without_all_of_its_parts_is_refused(pairs: list[tuple[str, str]]) -> None:
    """A rule that got lost would widen the segment."""
    with pytest.raises(MalformedRequest):
        read_rules(Form(tuple(pairs)))


def test_a_form_larger_than_any_condition_is_refused() -> None:
    """Nobody waits for thousands of rules to be drawn, and rules within rules end somewhere."""
    many = [(f"c-{number}.kind", "rule") for number in range(MAX_ITEMS_READ + 1)]
    assert len(read_rules(Form(tuple(many[:-1]))).items) == MAX_ITEMS_READ
    deep, id_ = list[tuple[str, str]](), "c-0"
    for _ in range(400):
        deep += [(f"{id_}.kind", "rule"), (f"{id_}-w.mode", "all")]
        id_ = f"{id_}-w-0"
    for pairs in (many, deep):
        with pytest.raises(MalformedRequest, match="too many"):
            read_rules(Form(tuple(pairs)))


def change(rules: GroupForm, *actions: str) -> GroupForm:
    """Return rules after actions."""
    for action in actions:
        rules, _ = change_rules(rules, action, KNOWN)
    return rules


def test_rules_and_groups_are_added_and_removed() -> None:
    """Each action changes the part that it names; one that fits nothing changes nothing."""
    built = change(NO_RULES, "add-rule:c", "add-group:c", "add-rule:c-1", "add-group:c-1")
    inner = GroupForm("all", (NEW_RULE,))
    assert built == GroupForm("all", (NEW_RULE, GroupForm("any", (NEW_RULE, NEW_RULE, inner))))
    assert change(built, "remove:c-1", "remove:c-0") == NO_RULES
    assert change(built, f"remove:c-{'9' * 5_000}", "remove:c-2") == built
    event = GroupForm(items=(RuleForm(ChosenField("events.count", "buy"), "gte", "number", ("3",)),))
    narrowed = change(event, "add-where:c-0", "add-rule:c-0-w")
    assert isinstance(rule := narrowed.items[0], RuleForm)
    assert rule.where is not None
    assert [item.field.family for item in rule.where.items if isinstance(item, RuleForm)] == ["property"] * 2
    assert change(narrowed, "remove:c-0-w-1", "remove:c-0-w-0") == event
    for action in ("", "x:c", "add-rule:", "remove:c", "add-rule:c-7", "remove:c-0-w-0", "add-rule:c-0-0"):
        assert change(event, action) == event
    for action in (
        "add-rule:c-0",
        "add-group:c-0",
        "choose:c",
        "add-where:c",
        "choose:c-x",
        "add-rule:c-0-w",
    ):
        assert change(event, action) == event


def test_a_choice_that_was_overtaken_is_not_lost() -> None:
    """A rule whose field was chosen during another request gets its operator with the next one."""
    chosen = RuleForm(ChosenField("tags"), "")
    built = change(GroupForm(items=(chosen, GroupForm("any", (chosen,)))), "add-rule:c")
    settled = RuleForm(ChosenField("tags"), "contains", "tag")
    assert built == GroupForm(items=(settled, GroupForm("any", (settled,)), NEW_RULE))


def test_the_focus_follows_the_actions() -> None:
    """What was added has the focus, and after a removal its group."""
    event = GroupForm(items=(RuleForm(ChosenField("events.count", "buy"), "gte"),))
    for action, focus in (
        ("add-rule:c", "c-1"),
        ("add-group:c", "c-1-0"),
        ("add-where:c-0", "c-0-w-0"),
        ("remove:c-0", "c"),
        ("choose:c-0", ""),
        ("add-rule:c-9", ""),
    ):
        assert change_rules(event, action, KNOWN)[1] == focus


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RuleForm(ChosenField("tags"), ""), RuleForm(ChosenField("tags"), "contains", "tag")),
        (
            RuleForm(ChosenField("attribute", "seats"), ""),
            RuleForm(ChosenField("attribute", "seats"), "equals", "number"),
        ),
        (
            RuleForm(ChosenField("attribute", "birthday"), "gte"),
            RuleForm(ChosenField("attribute", "birthday"), "gte", "day"),
        ),
        (
            RuleForm(ChosenField("attribute", "new"), "in", "text", ("a", "b")),
            RuleForm(ChosenField("attribute", "new"), "in", "text", ("a", "b")),
        ),
        (
            RuleForm(ChosenField("email"), "equals", "text", ("a", "b")),
            RuleForm(ChosenField("email"), "equals", "text", ("a",)),
        ),
        (
            RuleForm(ChosenField("status"), "equals", "text", ("a",)),
            RuleForm(ChosenField("status"), "equals", "status"),
        ),
        (
            RuleForm(ChosenField("email"), "gte", "number", ("1",), NO_RULES),
            RuleForm(ChosenField("email"), "equals", "text", ("1",)),
        ),
        (
            RuleForm(ChosenField("email"), "is_set", "text", ("1",)),
            RuleForm(ChosenField("email"), "is_set", "", ("1",)),
        ),
        (NEW_RULE, NEW_RULE),
        (RawForm("{}"), RawForm("{}")),
    ],
)
def test_a_rule_fits_the_field_that_was_chosen(before: Any, after: Any) -> None:
    """The operator and the type are those of the field, and what was typed stays if it fits."""
    assert change(GroupForm(items=(before,)), "choose:c-0") == GroupForm(items=(after,))


def test_paths_lead_to_parts() -> None:
    """A path in a written condition names a part of the form, at least the rule as JSON around it."""
    about_events = RuleForm(ChosenField("events.count"), "gte", where=GroupForm(items=(NEW_RULE, NEW_RULE)))
    rules = GroupForm(items=(GroupForm(items=(about_events,)), RawForm("{}")))
    for path, found in (
        (("rules", 0, "rules", 0, "where", "rules", 1, "value", 3), ("c-0-0-w-1", ("value", 3))),
        (("rules", 0, "rules", 0, "where", "match"), ("c-0-0-w", ("match",))),
        (("rules", 1, "where", "rules", 1, "value"), ("c-1", ("value",))),
        (("rules", 1, "rules", 0), ("c-1", ())),
        ((), ("c", ())),
        (("rules",), ("c", ("rules",))),
    ):
        assert find_part(list_ids(rules), path) == found


def test_many_attributes_are_typed() -> None:
    """Among many attributes there is no choice for each, but an input with suggestions."""
    known = Vocabulary(tuple(f"key{n}" for n in range(100)), KNOWN.segments, KNOWN.lists, (), (), {})
    assert Drawing(known, "").fields.attributes == ()
    assert Drawing(KNOWN, "").fields.attributes == KNOWN.attributes


TOPMAIL: Final = {"match": "any", "rules": [{"field": "plan", "operator": "in_list", "value": ["pro"]}]}
MISAR: Final = {"operator": "OR", "rules": [{"field": "plan", "operator": "in", "value": ["pro"]}]}


@pytest.mark.parametrize(
    ("value", "wanted", "dialect"),
    [
        (TOPMAIL, "", "topmail"),
        (MISAR, "", "misar"),
        (TOPMAIL, "topmail", "topmail"),
        ({"name": "x", "conditions": TOPMAIL}, "", "topmail"),
        ({"filter_criteria": MISAR}, "misar", "misar"),
        ({"rules": TOPMAIL["rules"]}, "", "topmail"),
        ({"rules": MISAR["rules"]}, "", "misar"),
        ({"field": "plan", "operator": "greater_than", "value": 5}, "", "misar"),
        ({"match": "all", "rules": []}, "", "topmail"),
    ],
)
def test_pasted_rules_are_read(value: Any, wanted: str, dialect: str) -> None:
    """The words tell whose rules they are, alone or in the body of a call."""
    assert read_pasted(json.dumps(value), wanted, strict=False).dialect == dialect


@pytest.mark.parametrize(
    ("text", "wanted", "told"),
    [
        ("", "", "The body is empty"),
        ("{", "", "The body is not valid JSON"),
        ("[]", "", "Expected `object`, got `array`"),
        ("{}", "", "There are no rules in this text"),
        ('{"a": 1}', "", "a: Unrecognized key"),
        (json.dumps(TOPMAIL), "misar", "match: Unrecognized key"),
        ('{"conditions": {"rules": [{"field": "email"}]}}', "", "conditions.rules.0.operator: Required"),
        ('{"rules": [{"field": "x", "operator": "equals", "value": 1e999}]}', "", "Number is out of range"),
    ],
)  # fmt: skip
def test_pasted_faults_have_paths(text: str, wanted: str, told: str) -> None:
    """What cannot be read is told with its path."""
    with pytest.raises(InvalidInput) as caught:
        read_pasted(text, wanted, strict=False)
    assert say_faults(caught.value)[0].startswith(told)


def test_operators_are_said_with_their_units() -> None:
    """A choice tells what its number counts."""
    assert say_operator("not_in") == "is none of"
    assert say_operator("more_than_days_ago") == "is more than … days ago"
    assert say_operator("in_next_hours") == "is in the next … hours"
