"""Canonical conditions (spec/README.md) as `check` takes them: each part with its path."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.check import check
from diglot.conditions.unchecked import ABSENT, Group, Leaf, Negation, Written
from diglot.errors import Path


def written(condition: Mapping[str, Any], path: Path = ()) -> Written:
    """Return a canonical condition as written."""
    if "all" in condition:
        return Group("all", _items(condition, "all", path), path)
    if "any" in condition:
        return Group("any", _items(condition, "any", path), path)
    if "not" in condition:
        return Negation(written(condition["not"], (*path, "not")))
    return Leaf(
        field=condition["field"],
        word=condition["operator"],
        operand=condition.get("operand", ABSENT),
        path=path,
        keys=tuple(condition),
        operand_key="operand",
    )


def _items(condition: Mapping[str, Any], mode: str, path: Path) -> list[Written]:
    return [written(item, (*path, mode, index)) for index, item in enumerate(condition[mode])]


def read(condition: Mapping[str, Any], zone: str) -> tree.Node:
    """Return the checked tree of a canonical condition in a time zone."""
    return check(written(condition), ZoneInfo(zone))
