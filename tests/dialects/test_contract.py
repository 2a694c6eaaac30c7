"""The contract checks find every change that breaks a client, and every one has a stated reason."""

from functools import cache
from typing import Any

import pytest

from diglot.dialects.registry import DIALECTS
from support.openapi import contract

pytestmark = pytest.mark.contract
BREAKS = contract.rows("breaks")
HARMLESS = contract.rows("harmless")


@cache
def found_in(file: str) -> dict[str, set[str]]:
    return contract.found_in(contract.rows(file))


def test_every_break_is_declared() -> None:
    """`openapi/baseline/breaks.json` names every break with its reason, and nothing else."""
    names = [dialect.name for dialect in DIALECTS]
    results = [
        fault
        for name in names
        for fault in contract.breaks(
            name, contract.BASELINE / f"{name}.json", contract.FILES / f"{name}.json"
        )
    ]
    faults = contract.mismatches(results, contract.declared())
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("row", BREAKS, ids=lambda row: row["name"])
def test_a_break_is_found(row: dict[str, Any]) -> None:
    """Its rule finds each kind of change that breaks a client."""
    assert row["rule"] in found_in("breaks")[row["name"]]


@pytest.mark.parametrize("row", HARMLESS, ids=lambda row: row["name"])
def test_a_harmless_change_breaks_nothing(row: dict[str, Any]) -> None:
    """A change that clients survive is no break."""
    assert found_in("harmless")[row["name"]] == set()


def test_declared_and_found_breaks_match() -> None:
    """A row names breaks by rule and place; a row that matches no break is a fault too."""
    one = contract.Break("misar", "enum-values-removed", "#/components/schemas/Tier/enum", "lost 'cold'")
    other = contract.Break("misar", "property-removed", "#/components/schemas/Key/properties/id", "gone")
    row = {
        "document": "misar",
        "rule": "enum-values-removed",
        "at": "#/components/schemas/Tier/*",
        "why": "…",
    }
    assert contract.mismatches([one], [row]) == []
    assert contract.mismatches([one, other], [row]) == [f"misar: property-removed at {other.at}: gone"]
    assert contract.mismatches([], [row]) == [f"nothing breaks as said: {row}"]
    assert contract.mismatches([one], [row | {"document": "topmail"}]) != []
