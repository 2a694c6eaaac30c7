"""How much random or repeated work a test run does: little by default, all of it with `--full`."""

from dataclasses import dataclass
from typing import Final

import pytest


@dataclass(frozen=True)
class Amount:
    """An option for a number, with its default and its value under `--full`."""

    option: str
    default: int
    full: int
    help: str


AMOUNTS: Final = (
    Amount("--random-trees", 500, 20_000, "random conditions"),
    Amount("--random-contacts", 40, 50, "contacts for each hundred of them"),
    Amount("--hostile", 2_000, 20_000, "hostile requests to each dialect on SQLite"),
    Amount("--truth-share", 10, 1, "explain, dry-run and keep one row of truth in so many, and all strata"),
    Amount("--kills", 4, 4, "how often a server is killed on each database"),
    Amount("--world-writes", 2_000, 2_000, "random writes that are judged"),
    Amount("--world-steps", 150, 150, "random steps of memberships"),
    Amount("--operations", 400, 400, "writes of several processes on each database"),
    Amount("--outside-seed", 1, 1, "what Schemathesis begins with"),
    Amount("--outside-examples", 15, 15, "its cases for each call on SQLite"),
    Amount("--outside-walks", 150, 150, "its walks from call to call there"),
)


def add_options(group: pytest.OptionGroup) -> None:
    """Add an option for each amount, and `--full`."""
    for one in AMOUNTS:
        full = "" if one.full == one.default else f"; with --full {one.full:,}"
        group.addoption(one.option, type=int, help=f"{one.help} ({one.default:,}{full})")
    group.addoption("--full", action="store_true", help="the full amounts, for those not set by themselves")


def settle(config: pytest.Config) -> None:
    """Give each amount without a value its default; workers get the values of their controller."""
    for one in AMOUNTS:
        name = one.option.removeprefix("--").replace("-", "_")
        if config.getoption(name) is None:
            setattr(config.option, name, one.full if config.getoption("full") else one.default)
