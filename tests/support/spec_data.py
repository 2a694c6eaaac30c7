"""Reads the rows of the spec: populations, members, rejections and acceptances."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from support.paths import SPEC

OPERATORS = SPEC / "operators"
COMPUTED = SPEC / "computed"
DEFAULT_ZONE = "UTC"


@dataclass(frozen=True)
class Population:
    """The contacts on which every row is evaluated."""

    now: datetime
    lists: Mapping[str, str]
    contacts: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One condition and the names of exactly the contacts that match it."""

    file: str
    name: str
    condition: Mapping[str, Any]
    members: frozenset[str]
    zone: str
    now: datetime
    basis: str


@dataclass(frozen=True)
class Refusal:
    """One condition and the paths of its faults, in order."""

    name: str
    condition: Mapping[str, Any]
    paths: tuple[tuple[str | int, ...], ...]


@dataclass(frozen=True)
class Acceptance:
    """One condition at the limit of the accepted ones."""

    name: str
    condition: Mapping[str, Any]


def read(path: Path) -> Any:
    """Decode one file of the spec."""
    return json.loads(path.read_text(encoding="utf-8"))


def expand(value: Any) -> Any:
    """Expand the compact `repeat` notation inside arrays."""
    if isinstance(value, list):
        return [each for item in value for each in _repeated(item)]
    if isinstance(value, dict):
        return {key: expand(inner) for key, inner in value.items()}
    return value


def _repeated(item: Any) -> Iterator[Any]:
    """Yield the values of one array item."""
    if isinstance(item, dict) and "repeat" in item:
        inner = expand(item["node"] if "node" in item else item["value"])
        yield from (inner for _ in range(item["repeat"]))
    else:
        yield expand(item)


@cache
def population() -> Population:
    """Read the population; contacts keep their order."""
    data = read(SPEC / "population.json")
    contacts = {contact["name"]: contact for contact in data["contacts"]}
    return Population(datetime.fromisoformat(data["now"]), data["lists"], contacts)


def member_files() -> list[Path]:
    """List the files whose rows name members."""
    computed = sorted(COMPUTED.glob("*.json"))
    whole = [SPEC / name for name in ("groups.json", "events.json", "event_properties.json")]
    return [*sorted(OPERATORS.glob("*.json")), *computed, *whole]


@cache
def rows() -> tuple[Row, ...]:
    """Read every row that names members, from operators/, computed/, groups.json and the files of events."""
    return tuple(row for path in member_files() for row in _rows_of(path))


def _rows_of(path: Path) -> Iterator[Row]:
    """Convert the rows of one file to sets of members."""
    data, everyone = read(path), frozenset(population().contacts)
    for raw in data["rows"]:
        members = frozenset(raw["members"]) if "members" in raw else everyone - frozenset(raw["all_but"])
        zone = raw.get("zone", data.get("zone", DEFAULT_ZONE))
        now = datetime.fromisoformat(raw["now"]) if "now" in raw else population().now
        yield Row(path.stem, raw["name"], expand(raw["condition"]), members, zone, now, raw["basis"])


@cache
def refusals() -> tuple[Refusal, ...]:
    """Read every condition that is rejected."""
    return tuple(
        Refusal(raw["name"], expand(raw["condition"]), tuple(tuple(path) for path in raw["refused"]))
        for raw in read(SPEC / "refusals.json")["rows"]
    )


@cache
def acceptances() -> tuple[Acceptance, ...]:
    """Read every condition at the limit of the accepted ones."""
    raws = read(SPEC / "acceptances.json")["rows"]
    return tuple(Acceptance(raw["name"], expand(raw["condition"])) for raw in raws)
