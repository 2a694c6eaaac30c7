"""How much random or repeated work a test run does: little by default, all of it with `--full`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from support.paths import ROOT, TESTS
from support.scheduling import FAST


@dataclass(frozen=True)
class Amount:
    """An option for a number, with its default and its value under `--full`.

    If `full_for_parts`, a run of a part of the suite has the latter, too.
    """

    option: str
    default: int
    full: int
    help: str
    full_for_parts: bool = False


AMOUNTS: Final = (
    Amount("--drawn", 1, 0, "1 to run each row on a drawn database, and some rows; 0 to run all", True),
    Amount("--random-trees", 300, 20_000, "random conditions"),
    Amount("--random-contacts", 40, 50, "contacts for each hundred random conditions"),
    Amount("--hostile", 400, 20_000, "hostile requests to each dialect on SQLite"),
    Amount(
        "--truth-share",
        20,
        1,
        "test explain, dry-run and static segments with one row of the spec in N, and with all strata",
    ),
    Amount("--edge-share", 4, 1, "compare one edge value in N, as an operand, with all stored ones"),
    Amount("--remembered-writes", 8, 20, "writes after which remembered answers are compared with reads"),
    Amount("--kills", 1, 8, "number of kills of a server on each database"),
    Amount("--held-connections", 1_100, 4_500, "connections that an attacker holds"),
    Amount("--held-seconds", 1, 4, "seconds for which it holds them"),
    Amount("--unread-answers", 60, 240, "clients that do not read an answer of 6 MB"),
    Amount("--world-writes", 400, 4_000, "random writes that are compared with the oracle"),
    Amount("--world-steps", 100, 300, "random steps of memberships"),
    Amount("--world-contacts", 10, 80, "contacts with random events whose memberships are compared"),
    Amount("--client-deliveries", 100, 1_000, "webhook deliveries that the vendor's client verifies"),
    Amount("--commit-seconds", 2, 60, "seconds in which processes commit and checkpoint one SQLite file"),
    Amount("--abuse-seconds", 2, 10, "seconds in which one workspace takes all that it can get"),
    Amount("--abuse-contacts", 5_000, 20_000, "contacts over which one workspace runs dry runs at once"),
    Amount("--power-losses", 8, 120, "images of a disk after a power loss"),
    Amount("--power-writes", 60, 200, "writes of two clients before the power losses"),
    Amount("--operations", 200, 400, "writes of several processes on each database"),
    Amount("--outside-seed", 1, 1, "the seed of Schemathesis"),
    Amount("--outside-examples", 15, 15, "cases of Schemathesis for each call on SQLite"),
    Amount("--outside-walks", 150, 150, "walks of Schemathesis from call to call on SQLite"),
)


def add_options(group: pytest.OptionGroup) -> None:
    """Add an option for each amount, and `--full`."""
    for amount in AMOUNTS:
        full = "" if amount.full == amount.default else f"; with --full {amount.full:,}"
        group.addoption(amount.option, type=int, help=f"{amount.help} ({amount.default:,}{full})")
    group.addoption(
        "--full", action="store_true", help="use the full amounts for all options that are not set"
    )


def settle(config: pytest.Config) -> None:
    """Give each amount without a value its default; workers get the values of their controller."""
    full, part = config.getoption("full"), _is_part(config)
    for amount in AMOUNTS:
        name = amount.option.removeprefix("--").replace("-", "_")
        if config.getoption(name) is None:
            is_full = full or (part and amount.full_for_parts)
            setattr(config.option, name, amount.full if is_full else amount.default)


def _is_part(config: pytest.Config) -> bool:
    """Return whether a run is asked for some tests, by paths, words, last failures or marks but `fast`."""
    paths = {Path(arg.partition("::")[0]).resolve() for arg in config.args}
    marks = config.getoption("markexpr")
    return (
        not paths <= {ROOT, TESTS}
        or bool(config.getoption("keyword"))
        or marks not in (FAST, *config.getini("addopts"))
        or bool(config.getoption("lf", default=False))
    )
