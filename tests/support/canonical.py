"""Reads canonical conditions (spec/README.md) as `check` takes them: each part with its path."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from diglot.conditions import tree
from diglot.conditions.check import check_condition
from diglot.conditions.unchecked import Unchecked, UncheckedGroup, UncheckedNot, UncheckedRule
from diglot.errors import Path


def written(condition: Mapping[str, Any], path: Path = ()) -> Unchecked:
    """Return a canonical condition as check takes it."""
    if "all" in condition:
        return UncheckedGroup("all", _items(condition, "all", path), path)
    if "any" in condition:
        return UncheckedGroup("any", _items(condition, "any", path), path)
    if "not" in condition:
        return UncheckedNot(written(condition["not"], (*path, "not")))
    return UncheckedRule(
        field=condition["field"],
        operator=condition["operator"],
        operand=condition.get("operand", UNSET),
        path=path,
        key_order=tuple(condition),
        operand_key="operand",
        where=_where(condition["where"], (*path, "where")) if "where" in condition else None,
    )


def _where(group: Mapping[str, Any], path: Path) -> UncheckedGroup:
    (mode,) = group
    return UncheckedGroup("all" if mode == "all" else "any", _items(group, mode, path), path)


def _items(condition: Mapping[str, Any], mode: str, path: Path) -> list[Unchecked]:
    return [written(item, (*path, mode, index)) for index, item in enumerate(condition[mode])]


def read(condition: Mapping[str, Any], _zone: str = "UTC") -> tree.Node:
    """Return the checked tree of a canonical condition, which is the same in every time zone."""
    return check_condition(written(condition))


def to_wire(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a condition in the shape of the vendors, which have no negation: its item stands alone."""
    if "not" in condition:
        return {"rules": [to_wire(condition["not"])]}
    if "operator" not in condition:
        ((mode, items),) = condition.items()
        return {"mode": mode, "rules": [to_wire(item) for item in items]}
    wire = {"field": condition["field"], "operator": condition["operator"]}
    return wire | ({"value": condition["operand"]} if "operand" in condition else {})
