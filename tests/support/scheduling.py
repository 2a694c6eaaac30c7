"""Decides which tests one worker runs together, and in which order, if several processes share a test run.

A unit of work is a module on one database, so that a worker creates the fixtures that its tests share only
once. Long modules whose tests share nothing are divided. Tests that start many processes, measure the memory
of one or wait for instants are one unit together, so that none of them runs at the same time as another; so
are those of faults, which take as long as the former. The units that take longest come first, because one
that starts last keeps a worker busy while the others are idle.
"""

import os
import re
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

FAST: Final = "fast"
ALONE: Final = "alone"
FAULTS: Final = "faults"
# Each worker collects all tests and starts a PostgreSQL, so more than a few workers are no faster.
MOST_WORKERS: Final = 8
_ALONE: Final = ("processes/test_crash", "processes/test_processes", "processes/test_forward")
# Tests that load a server until others wait are alone too; those that do so with the disk are another unit.
_ABUSE_FOLDER: Final = "abuse/"
_FAULTS_FOLDER: Final = "faults/"
# From the longest on: the tests of these modules are divided or begin early.
_DIVIDED: Final = (
    "docs/test_guide",
    "dialects/test_hostile",
    "storage/test_random",
    "membership/test_million",
)
_EARLY: Final = ("processes/", "clients/", "membership/", "storage/", "server/")
# Folders and modules without processes; their tests on SQLite are fast.
_FAST: Final = (
    "unit/",
    "docs/test_d",
    "docs/test_r",
    "dialects/test_dialect_pairs",
    "dialects/test_stories",
    "dialects/test_openapi",
)
_DATABASE: Final = re.compile(r"[\[-](sqlite|postgresql(?:-url|-partitioned)?|pgbouncer)[]-]")


def unit_of(nodeid: str) -> str:
    """Return the name of the unit that a test belongs to."""
    path, _, _ = nodeid.partition("::")
    module = path.removeprefix("tests/").removesuffix(".py")
    if module in _ALONE or module.startswith(_ABUSE_FOLDER):
        return ALONE
    if module.startswith(_FAULTS_FOLDER):
        return FAULTS
    if module in _DIVIDED:
        return _DATABASE.sub("", nodeid)  # the expected values for all databases are computed once
    database = _DATABASE.search(nodeid)
    return f"{module} {database[1] if database else ''}"


def turn_of(nodeid: str) -> int:
    """Return the rank of a test: those with a lower number start first."""
    module = nodeid.removeprefix("tests/")
    order = (*_ALONE, _ABUSE_FOLDER, _FAULTS_FOLDER, *_DIVIDED, *_EARLY)
    return next((turn for turn, beginning in enumerate(order) if module.startswith(beginning)), len(order))


def is_fast(nodeid: str) -> bool:
    """Return whether a test needs neither a process of its own nor a database server, and little time."""
    module = nodeid.removeprefix("tests/")
    database = _DATABASE.search(nodeid)
    return module.startswith(_FAST) and (database is None or database[1] == "sqlite")


def workers(config: pytest.Config) -> int:
    """Return the number of workers for `-n auto`, none for a module or two.

    There is one for each core, and one more because a third of the time of a run is waiting for servers.
    """
    paths = [arg.partition("::")[0] for arg in config.args]
    if len(paths) <= 2 and all(path.endswith(".py") for path in paths):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


class UnitScheduling(LoadScopeScheduling):
    """Hands out units, in the order of their first tests."""

    _places: dict[str, int]

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give a worker the next unit; drop the finished ones, because each test would count them again."""
        if not hasattr(self, "_places"):
            self._places = {nodeid: place for place, nodeid in enumerate(self.registered_collections[node])}
        work = self.assigned_work[node]
        for name in [name for name, unit in work.items() if all(unit.values())]:
            del work[name]
        name, unit = self.workqueue.popitem(last=False)
        work[name] = unit
        node.send_runtest_some([self._places[nodeid] for nodeid, done in unit.items() if not done])
