"""The matcher of exchanges can fail, and its stories are well formed."""

import json
from datetime import timedelta

import pytest

from support.openapi.exchanges import BadStory, Json, difference, expand, fill, load_stories, pick, read_story

UUID = "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60"
SEGMENT = "seg_01jqsv4z0tfmz8yjgv5gpmyqv0"

SAME: list[tuple[Json, Json]] = [
    ({"a": 1, "b": [True, None]}, {"a": 1, "b": [True, None]}),
    ("<any>", None),
    ("<any>", {"a": 1}),
    ("<text>", "Name is blank"),
    ("<uuid>", UUID),
    ("<seg id>", SEGMENT),
    ("<rfc3339 s>", "2026-03-01T12:00:00Z"),
    ("<rfc3339 ms>", "2026-03-01T12:00:00.000Z"),
    ({"<superset>": {"b": 2}}, {"a": 1, "b": 2}),
    ({"<superset>": {"b": 2, "a": 1}}, {"a": 1, "b": 2}),
    ({"data": {"<superset>": {"id": "<uuid>"}}}, {"data": {"name": "x", "id": UUID}}),
]

DIFFERENT: list[tuple[Json, Json]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": 1, "b": 2}, {"a": 1}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, [1]),
    ([1], {"0": 1}),
    ([1, 2], [2, 1]),
    ([1, 2], [1]),
    (1, True),
    (0, False),
    (50, 50.0),
    (1, "1"),
    (None, ""),
    (None, False),
    ("a", "b"),
    ("<text>", ""),
    ("<text>", " "),
    ("<text>", None),
    ("<text>", ["x"]),
    ("<uuid>", SEGMENT),
    ("<uuid>", UUID.upper()),
    ("<seg id>", UUID),
    ("<seg id>", SEGMENT + "0"),
    ("<rfc3339 s>", "2026-03-01T12:00:00.000Z"),
    ("<rfc3339 ms>", "2026-03-01T12:00:00Z"),
    ("<rfc3339 s>", "2026-03-01T12:00:00+00:00"),
    ({"<superset>": {"b": 2}}, {"a": 1}),
    ({"<superset>": {"b": 2}}, {"b": 3}),
    ({"<superset>": {"b": 2}}, [2]),
    ({"<superset>": {"a": {"b": 1}}}, {"a": {"b": 1, "c": 2}}),
]


@pytest.mark.parametrize(("expected", "actual"), SAME, ids=json.dumps)
def test_an_answer_as_expected_has_no_difference(expected: Json, actual: Json) -> None:
    assert difference(expected, actual) is None


@pytest.mark.parametrize(("expected", "actual"), DIFFERENT, ids=json.dumps)
def test_every_deviation_is_a_difference(expected: Json, actual: Json) -> None:
    assert difference(expected, actual) is not None


def test_a_difference_names_its_path() -> None:
    """The path leads through keys and indexes."""
    result = difference({"data": [{"id": 1}, {"id": 2}]}, {"data": [{"id": 1}, {"id": 3}]})
    assert result == ".data.1.id: expected 2, got 3"


def test_saved_values_replace_their_placeholders() -> None:
    """A placeholder alone keeps the type of its value; one inside a string becomes text."""
    kept: dict[str, Json] = {"seg": "seg_1", "page": 2}
    template: Json = {"path": "/segments/{seg}/members?page={page}", "all": ["{page}", 3, None], "{seg}": {}}
    assert fill(template, kept) == {
        "path": "/segments/seg_1/members?page=2",
        "all": [2, 3, None],
        "{seg}": {},
    }


def test_braces_of_json_are_no_placeholders() -> None:
    """Only a name in braces is a placeholder."""
    assert fill('{"name": {}}', {}) == '{"name": {}}'


def test_an_unknown_placeholder_is_an_error() -> None:
    """A misspelled placeholder cannot pass as text."""
    with pytest.raises(KeyError):
        fill("/segments/{sge}", {"seg": "seg_1"})


def test_pick_follows_keys_and_indexes() -> None:
    """A dotted path leads into lists too."""
    assert pick({"data": {"ids": ["a", "b"]}}, "data.ids.1") == "b"
    with pytest.raises(KeyError):
        pick({"data": "x"}, "data.id")


def test_macros_expand_to_long_bodies() -> None:
    """$times repeats a string or an item, $concat joins strings."""
    assert expand({"$times": 3, "text": "ab"}) == "ababab"
    assert expand([0, {"$times": 2, "item": {"a": 1}}]) == [0, {"a": 1}, {"a": 1}]
    assert expand({"a": {"$concat": ["[", {"$times": 2, "text": "]"}]}}) == {"a": "[]]"}


STORY: dict[str, Json] = {
    "story": "one step",
    "basis": "assumed",
    "now": "2026-03-01T12:00:00Z",
    "keys": {"m": {"dialect": "misar", "workspace": "acme", "scopes": ["contacts"]}},
}
STEP: dict[str, Json] = {"name": "s", "as": "m", "method": "GET", "path": "/x", "status": 200, "answer": {}}


def test_a_step_has_its_body_and_its_clock() -> None:
    """JSON bodies are compact UTF-8; a missing body is None."""
    steps: list[Json] = [
        {**STEP, "name": "json", "json": {"name": "é {seg}"}, "clock": "+5s"},
        {**STEP, "name": "null", "json": None},
        {**STEP, "name": "text", "text": "{"},
        {**STEP, "name": "none"},
    ]
    story = read_story("x", json.dumps({**STORY, "steps": steps}))
    bodies = [step.content({"seg": 1}) for step in story.steps]
    assert bodies == ['{"name":"é 1"}'.encode(), b"null", b"{", None]
    assert [step.clock for step in story.steps][:2] == [timedelta(seconds=5), timedelta(0)]


BAD_STEPS: list[dict[str, Json]] = [
    {**STEP, "colour": "red"},
    {key: value for key, value in STEP.items() if key != "answer"},
    {**STEP, "as": "nobody"},
    {**STEP, "status": "200"},
    {**STEP, "json": {}, "text": ""},
    {**STEP, "query": {"limit": 5}},
    {**STEP, "clock": "5s"},
    {**STEP, "example": "true"},
    {**STEP, "lenient": " "},
]


@pytest.mark.parametrize("step", BAD_STEPS, ids=json.dumps)
def test_a_step_of_another_shape_is_refused(step: Json) -> None:
    with pytest.raises(BadStory):
        read_story("x", json.dumps({**STORY, "steps": [step]}))


BAD_STORIES: list[dict[str, Json]] = [
    {**STORY, "steps": []},
    {**STORY, "steps": [STEP, STEP]},
    {**STORY, "steps": [STEP], "note": ""},
    {**STORY, "steps": [STEP], "basis": "guessed"},
    {**STORY, "steps": [STEP], "keys": {"m": {"dialect": "misar", "workspace": "acme"}}},
]


@pytest.mark.parametrize("story", BAD_STORIES, ids=json.dumps)
def test_a_story_of_another_shape_is_refused(story: Json) -> None:
    with pytest.raises(BadStory):
        read_story("x", json.dumps(story))


def test_a_repeated_key_is_rejected() -> None:
    """A repeated key would hide half of an expectation."""
    with pytest.raises(BadStory):
        read_story("x", '{"story": "a", "story": "b"}')


def test_every_story_of_the_folder_is_well_formed() -> None:
    """Stories load, cover both dialects, and save every placeholder before its use."""
    stories = load_stories()
    assert {key.dialect for story in stories for key in story.keys.values()} == {"misar", "topmail"}
    for story in stories:
        kept: dict[str, Json] = {f"key.{name}": "secret" for name in story.keys}
        kept |= {f"source.{name}": "id" for name in story.sources}
        for step in story.steps:
            assert "should" not in step.name, step.name
            step.content(kept)
            fill([step.path, dict(step.query), dict(step.headers)], kept)
            kept.update(dict.fromkeys(step.keep, "kept"))
            fill(step.answer, kept)
