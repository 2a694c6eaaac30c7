"""Stories of HTTP exchanges: reads tests/spec/http, fills in saved values and compares responses."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from support.paths import SPEC

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

FOLDER = SPEC / "http"
BASES = ("documented", "observed", "assumed")
DIALECTS = ("misar", "topmail")
PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
CLOCK = re.compile(r"\+([0-9]+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SECOND = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
MATCHERS = {
    "<seg id>": re.compile("seg_[0-7][0-9a-hjkmnp-tv-z]{25}"),
    "<uuid>": re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "<text>": re.compile(r".*\S.*", re.DOTALL),
    "<rfc3339 s>": re.compile(SECOND + "Z"),
    "<rfc3339 ms>": re.compile(SECOND + r"\.[0-9]{3}Z"),
}
STORY_NEEDS = {"story", "basis", "now", "keys", "steps"}
STORY_KEYS = STORY_NEEDS | {"settings", "sources"}
SOURCE_KEYS = {"dialect", "workspace", "secret"}
KEY_KEYS = {"dialect", "workspace", "scopes"}
STEP_NEEDS = {"name", "as", "method", "path", "status", "answer"}
STEP_KEYS = STEP_NEEDS | {
    "query",
    "headers",
    "json",
    "text",
    "headers_out",
    "keep",
    "clock",
    "example",
    "lenient",
    "signed",
}


class BadStory(ValueError):
    """A file in tests/spec/http violates its README."""


@dataclass(frozen=True)
class Key:
    """One API key of a story."""

    dialect: str
    workspace: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A source of webhooks of a story: where those of a vendor arrive, and what they are signed with."""

    dialect: str
    workspace: str
    secret: str


@dataclass(frozen=True)
class Step:
    """One request and its expected response."""

    name: str
    key: str | None
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    has_body: bool
    text: str | None
    status: int
    answer: Json
    headers_out: Mapping[str, str]
    keep: Mapping[str, str]
    clock: timedelta
    example: bool
    lenient: str | None
    signed: str | None

    def content(self, kept: Mapping[str, Json]) -> bytes | None:
        """Return the bytes of the request's body, or None without one."""
        if self.text is not None:
            return str(fill(self.text, kept)).encode()
        if not self.has_body:
            return None
        return json.dumps(fill(self.body, kept), ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Story:
    """Steps that run one after another against a server that knows none of its workspaces."""

    file: str
    story: str
    basis: str
    now: datetime
    keys: Mapping[str, Key]
    steps: tuple[Step, ...]
    settings: Mapping[str, Any]
    sources: Mapping[str, Source]


def load_stories(folder: Path = FOLDER) -> list[Story]:
    """Read every story of the folder in the order of file names."""
    stories = [read_story(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    if not stories:
        raise BadStory(f"no stories in {folder.name}")
    return stories


def read_story(file: str, source: str) -> Story:
    """Read one story, and reject keys that the README does not name."""
    raw = json.loads(source, object_pairs_hook=unique_keys)
    require(file, set(raw) >= STORY_NEEDS and set(raw) <= STORY_KEYS, "the keys of a story")
    require(file, raw["basis"] in BASES, "basis")
    keys = {name: _key(f"{file}: key {name}", key) for name, key in raw["keys"].items()}
    steps = tuple(_step(file, step, keys) for step in raw["steps"])
    names = [step.name for step in steps]
    require(file, bool(steps) and len(set(names)) == len(names), "unique names of steps")
    now = datetime.fromisoformat(raw["now"])
    require(file, now.utcoffset() == timedelta(0), "now in UTC")
    settings = raw.get("settings", {})
    require(file, all(isinstance(value, int) for value in settings.values()), "settings that are numbers")
    sources = {name: _source(f"{file}: source {name}", one) for name, one in raw.get("sources", {}).items()}
    require(file, all(step.signed in (None, *sources) for step in steps), "a source of this story")
    return Story(file, raw["story"], raw["basis"], now.astimezone(UTC), keys, steps, settings, sources)


def _source(where: str, raw: dict[str, Json]) -> Source:
    require(where, set(raw) == SOURCE_KEYS and raw["dialect"] in DIALECTS, "the keys of a source")
    return Source(str(raw["dialect"]), str(raw["workspace"]), str(raw["secret"]))


def _key(where: str, raw: dict[str, Json]) -> Key:
    require(where, set(raw) == KEY_KEYS, "the keys of a key")
    scopes = raw["scopes"]
    require(where, raw["dialect"] in DIALECTS and isinstance(scopes, list), "dialect and scopes")
    assert isinstance(scopes, list)
    return Key(str(raw["dialect"]), str(raw["workspace"]), tuple(str(scope) for scope in scopes))


def _step(file: str, raw: dict[str, Json], keys: Mapping[str, Key]) -> Step:
    where = f"{file}: {raw.get('name')}"
    require(where, set(raw) >= STEP_NEEDS and set(raw) <= STEP_KEYS, "the keys of a step")
    key, status, text = raw["as"], raw["status"], expand(raw.get("text"))
    require(where, key is None or key in keys, "a key of this story")
    require(where, isinstance(status, int) and 200 <= status < 600, "a status")
    require(where, text is None or (isinstance(text, str) and "json" not in raw), "json or text")
    assert isinstance(status, int)
    return Step(
        name=str(raw["name"]),
        key=None if key is None else str(key),
        method=str(raw["method"]),
        path=str(raw["path"]),
        query=_texts(where, raw.get("query")),
        headers=_texts(where, raw.get("headers")),
        body=expand(raw.get("json")),
        has_body="json" in raw,
        text=None if text is None else str(text),
        status=status,
        answer=expand(raw["answer"]),
        headers_out=_texts(where, raw.get("headers_out")),
        keep=_texts(where, raw.get("keep")),
        clock=_clock(where, raw.get("clock", "+0s")),
        example=_marked(where, raw.get("example", False)),
        lenient=_reason(where, raw.get("lenient")),
        signed=None if raw.get("signed") is None else str(raw["signed"]),
    )


def _texts(where: str, raw: Json) -> dict[str, str]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
        raise BadStory(f"{where}: an object of strings")
    return {key: str(value) for key, value in raw.items()}


def _marked(where: str, raw: Json) -> bool:
    require(where, isinstance(raw, bool), "example is true or is left out")
    return bool(raw)


def _reason(where: str, raw: Json) -> str | None:
    require(where, raw is None or (isinstance(raw, str) and bool(raw.strip())), "lenient says why")
    return None if raw is None else str(raw)


def _clock(where: str, raw: Json) -> timedelta:
    match = CLOCK.fullmatch(str(raw))
    if match is None:
        raise BadStory(f"{where}: clock has the form +5s")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def require(where: str, holds: bool, what: str) -> None:
    """Reject the file unless the fact holds."""
    if not holds:
        raise BadStory(f"{where}: {what}")


def unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Build a JSON object, and reject a repeated key."""
    created = dict(pairs)
    if len(created) != len(pairs):
        raise BadStory(f"a key occurs twice among {[key for key, _ in pairs]}")
    return created


def expand(template: Json) -> Json:
    """Expand $times and $concat."""
    if isinstance(template, list):
        return [made for item in template for made in _items(item)]
    if not isinstance(template, dict):
        return template
    if set(template) == {"$times", "text"}:
        return str(template["text"]) * _count(template)
    if set(template) == {"$concat"}:
        parts = expand(template["$concat"])
        assert isinstance(parts, list)
        return "".join(str(part) for part in parts)
    return {key: expand(value) for key, value in template.items()}


def _items(item: Json) -> list[Json]:
    if isinstance(item, dict) and set(item) == {"$times", "item"}:
        return [expand(item["item"])] * _count(item)
    return [expand(item)]


def _count(template: Mapping[str, Json]) -> int:
    times = template["$times"]
    assert isinstance(times, int)
    return times


def fill(template: Json, kept: Mapping[str, Json]) -> Json:
    """Replace every {name} by its saved value; an unknown name is a KeyError."""
    if isinstance(template, str):
        whole = PLACE.fullmatch(template)
        if whole is not None:
            return kept[whole[1]]
        return PLACE.sub(lambda found: str(kept[found[1]]), template)
    if isinstance(template, list):
        return [fill(item, kept) for item in template]
    if isinstance(template, dict):
        return {key: fill(value, kept) for key, value in template.items()}
    return template


def pick(answer: Json, path: str) -> Json:
    """Return the value at a dotted path of a response; numbers index lists."""
    for part in path.split("."):
        if isinstance(answer, list):
            answer = answer[int(part)]
        elif isinstance(answer, dict):
            answer = answer[part]
        else:
            raise KeyError(path)
    return answer


def difference(expected: Json, actual: Json, path: str = "") -> str | None:
    """Describe the first difference, or return None; the order of keys counts."""
    if isinstance(expected, dict) and set(expected) == {"<superset>"}:
        return _superset_difference(expected["<superset>"], actual, path)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _dict_difference(expected, actual, path)
    if isinstance(expected, list) and isinstance(actual, list):
        return _list_difference(expected, actual, path)
    return _scalar_difference(expected, actual, path)


def _superset_difference(required: Json, actual: Json, path: str) -> str | None:
    assert isinstance(required, dict)
    if not isinstance(actual, dict):
        return f"{path or '$'}: expected an object, got {actual!r}"
    missing = [key for key in required if key not in actual]
    if missing:
        return f"{path or '$'}: missing {missing}"
    return _first(required, actual, path)


def _dict_difference(expected: dict[str, Json], actual: dict[str, Json], path: str) -> str | None:
    if list(expected) != list(actual):
        return f"{path or '$'}: expected the keys {list(expected)}, got {list(actual)}"
    return _first(expected, actual, path)


def _first(expected: dict[str, Json], actual: dict[str, Json], path: str) -> str | None:
    result = (difference(value, actual[key], f"{path}.{key}") for key, value in expected.items())
    return next((item for item in result if item is not None), None)


def _list_difference(expected: list[Json], actual: list[Json], path: str) -> str | None:
    if len(expected) != len(actual):
        return f"{path or '$'}: expected {len(expected)} items, got {len(actual)}"
    pairs = enumerate(zip(expected, actual, strict=True))
    result = (difference(one, other, f"{path}.{index}") for index, (one, other) in pairs)
    return next((item for item in result if item is not None), None)


def _scalar_difference(expected: Json, actual: Json, path: str) -> str | None:
    if expected == "<any>":
        return None
    matcher = MATCHERS.get(expected) if isinstance(expected, str) else None
    if matcher is not None:
        same = isinstance(actual, str) and matcher.fullmatch(actual) is not None
    else:
        same = type(expected) is type(actual) and expected == actual
    return None if same else f"{path or '$'}: expected {expected!r}, got {actual!r}"
