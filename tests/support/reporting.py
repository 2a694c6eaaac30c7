"""One seed for a test run, and figures for its terminal summary, with one process or several.

With pytest-xdist the controller draws the seed and sends it to its workers; each worker sends its figures
back.
"""

from collections import Counter
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Final

import pytest

Tally = Callable[[str, str, int], None]
Telling = Callable[[str, str], None]
SEED: Final = pytest.StashKey[int]()
_TALLIES: Final = pytest.StashKey[dict[str, Counter[str]]]()
_TOLD: Final = pytest.StashKey[list[tuple[str, str]]]()
# The names of the seed and of the figures in the data that workers exchange with their controller.
_SEED_SENT: Final = "diglot_seed"
_FIGURES_SENT: Final = "diglot_figures"


def configure(config: pytest.Config) -> None:
    """Set the seed of a process: the one from its controller, the one of the option, or a new one."""
    config.stash[_TALLIES] = {}
    config.stash[_TOLD] = []
    given = getattr(config, "workerinput", {}).get(_SEED_SENT, config.getoption("random_seed"))
    config.stash[SEED] = SystemRandom().randrange(2**32) if given is None else given


def send_seed(worker: Any) -> None:
    """Send the controller's seed to a worker that is about to start."""
    worker.workerinput[_SEED_SENT] = worker.config.stash[SEED]


def add(config: pytest.Config, what: str, database: str, number: int) -> None:
    """Add to a figure."""
    config.stash[_TALLIES].setdefault(what, Counter())[database] += number


def add_text(config: pytest.Config, title: str, text: str) -> None:
    """Add a text under a title."""
    config.stash[_TOLD].append((title, text))


def hand_back(config: pytest.Config) -> None:
    """In a worker that ends, send its figures to the controller."""
    if hasattr(config, "workeroutput"):
        tallies = {what: dict(counts) for what, counts in config.stash[_TALLIES].items()}
        config.workeroutput[_FIGURES_SENT] = [tallies, config.stash[_TOLD]]


def take_over(worker: Any) -> None:
    """In the controller, add the figures of a worker that ended; one that crashed has none."""
    result: Any = getattr(worker, "workeroutput", {}).get(_FIGURES_SENT, ({}, ()))
    tallies, told = result
    for what, counts in tallies.items():
        for database, number in counts.items():
            add(worker.config, what, database, number)
    for title, text in told:
        add_text(worker.config, title, text)


def write(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write all figures, sorted by name because workers end in any order."""
    for what, counts in sorted(config.stash[_TALLIES].items()):
        result = ", ".join(f"{number:,} on {name}" for name, number in sorted(counts.items()))
        reporter.write_line(f"{what}: {result}")
    told = config.stash[_TOLD]
    for title, text in sorted(told):
        reporter.section(title)
        reporter.write_line(text)
