"""Pairs of wire object and condition from tests/spec/dialects; rejects keys that its README does not name."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.openapi.exchanges import BASES, DIALECTS, Json, expand, require, unique_keys
from support.paths import SPEC

FOLDER = SPEC / "dialects"
FILE_KEYS = {"dialect", "pairs", "refused", "across"}
PAIR_NEEDS = {"name", "basis", "wire", "condition"}
PAIR_KEYS = PAIR_NEEDS | {"canonical", "extension", "strict_refused"}
REFUSED_NEEDS = {"name", "basis", "wire", "path"}
REFUSED_KEYS = REFUSED_NEEDS | {"all_paths"}
ACROSS_KEYS = {"name", "wire", "other"}
CANONICAL_OPERATORS = (
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "gt",
    "lt",
    "gte",
    "lte",
    "before",
    "after",
    "in",
    "not_in",
    "is_set",
    "is_empty",
    "in_last_days",
    "more_than_days_ago",
    "exactly_days_ago",
    "in_next_days",
    "in_last_hours",
    "more_than_hours_ago",
    "in_next_hours",
)
NO_OPERAND = ("is_set", "is_empty")

FaultPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Pair:
    """A vendor object and the condition it means."""

    dialect: str
    name: str
    basis: str
    wire: Json
    condition: Json
    canonical: Json
    strict_refused: FaultPath | None

    @property
    def extension(self) -> bool:
        """True if strict mode rejects the wire object."""
        return self.strict_refused is not None


@dataclass(frozen=True)
class Rejected:
    """A vendor object as JSON text, and the path of its fault; None if the row only fixes the rejection."""

    dialect: str
    name: str
    basis: str
    text: str
    path: FaultPath | None
    all_paths: tuple[FaultPath, ...] | None


@dataclass(frozen=True)
class Translation:
    """A vendor object and its translation to the other dialect."""

    dialect: str
    name: str
    wire: Json
    other: Json


@dataclass(frozen=True)
class DialectData:
    """All rows of one dialect."""

    dialect: str
    pairs: tuple[Pair, ...]
    rejected: tuple[Rejected, ...]
    translations: tuple[Translation, ...]


def load_dialects(folder: Path = FOLDER) -> dict[str, DialectData]:
    """Return the rows of every dialect by its name."""
    return {name: read_dialect(name, (folder / f"{name}.json").read_text("utf-8")) for name in DIALECTS}


def read_dialect(name: str, source: str) -> DialectData:
    """Read the rows of one file, and reject keys that the README does not name."""
    raw = json.loads(source, object_pairs_hook=unique_keys)
    require(name, set(raw) == FILE_KEYS and raw["dialect"] == name, "the keys of the file")
    for part in ("pairs", "refused", "across"):
        names = [row["name"] for row in raw[part]]
        require(name, bool(names) and len(set(names)) == len(names), f"unique names in {part}")
    return DialectData(
        dialect=name,
        pairs=tuple(_pair(name, row) for row in raw["pairs"]),
        rejected=tuple(_refused(name, row) for row in raw["refused"]),
        translations=tuple(_across(name, row) for row in raw["across"]),
    )


def _pair(dialect: str, row: dict[str, Json]) -> Pair:
    where = f"{dialect}: pair {row['name']}"
    require(where, PAIR_NEEDS <= set(row) <= PAIR_KEYS, "the keys of a pair")
    require(where, row["basis"] in BASES, "basis")
    require(where, ("extension" in row) == ("strict_refused" in row), "extension with strict_refused")
    require(where, row.get("extension", True) is True, "extension is true or absent")
    check_condition(where, row["condition"])
    wire = expand(row["wire"])
    return Pair(
        dialect=dialect,
        name=str(row["name"]),
        basis=str(row["basis"]),
        wire=wire,
        condition=expand(row["condition"]),
        canonical=expand(row["canonical"]) if "canonical" in row else wire,
        strict_refused=fault_path(where, row["strict_refused"]) if "strict_refused" in row else None,
    )


def _refused(dialect: str, row: dict[str, Json]) -> Rejected:
    where = f"{dialect}: refused {row['name']}"
    require(where, REFUSED_NEEDS <= set(row) <= REFUSED_KEYS, "the keys of a refused row")
    require(where, row["basis"] in BASES, "basis")
    path = None if row["path"] is None else fault_path(where, row["path"])
    everything = None
    if "all_paths" in row:
        assert isinstance(row["all_paths"], list)
        everything = tuple(fault_path(where, item) for item in row["all_paths"])
        require(where, path == everything[0] and len(set(everything)) > 1, "all_paths begins with path")
    return Rejected(
        dialect=dialect,
        name=str(row["name"]),
        basis=str(row["basis"]),
        text=wire_text(row["wire"]),
        path=path,
        all_paths=everything,
    )


def _across(dialect: str, row: dict[str, Json]) -> Translation:
    where = f"{dialect}: across {row['name']}"
    require(where, set(row) == ACROSS_KEYS, "the keys of a row across")
    return Translation(dialect, str(row["name"]), expand(row["wire"]), expand(row["other"]))


def wire_text(wire: Json) -> str:
    """Return the JSON text of a wire object; {"$text": ...} is that text already."""
    if isinstance(wire, dict) and set(wire) == {"$text"}:
        return str(expand(wire["$text"]))
    return json.dumps(expand(wire), ensure_ascii=False)


def fault_path(where: str, raw: Json) -> FaultPath:
    """Read a path of keys and indexes."""
    require(where, isinstance(raw, list), "a path is a list")
    assert isinstance(raw, list)
    parts = [part for part in raw if isinstance(part, str | int) and not isinstance(part, bool)]
    require(where, len(parts) == len(raw), "a path holds keys and indexes")
    return tuple(parts)


def check_condition(where: str, node: Json) -> None:
    """Reject invalid canonical conditions, repeated nodes included."""
    require(where, isinstance(node, dict), "a node is an object")
    assert isinstance(node, dict)
    if set(node) == {"$times", "item"}:
        check_condition(where, node["item"])
    elif "field" in node:
        operator, operand = node.get("operator"), {"operand"} & set(node)
        require(where, set(node) - {"operand", "where"} == {"field", "operator"}, "the keys of a predicate")
        require(where, operator in CANONICAL_OPERATORS, "a canonical operator")
        require(where, bool(operand) != (operator in NO_OPERAND), "an operand where one is needed")
    else:
        require(where, len(node) == 1 and set(node) <= {"all", "any", "not"}, "a group has one key")
        for child in children(node):
            check_condition(where, child)


def children(node: dict[str, Json]) -> Sequence[Json]:
    """Return the nodes right below a group or a negation."""
    below = next(iter(node.values()))
    return below if isinstance(below, list) else [below]


def operators_in(node: Json) -> set[str]:
    """Collect every value of the key operator in a leaf, in either vocabulary."""
    if isinstance(node, list):
        return {word for child in node for word in operators_in(child)}
    if not isinstance(node, dict):
        return set()
    if "field" in node:
        return {str(node["operator"])}
    return {word for child in node.values() for word in operators_in(child)}
