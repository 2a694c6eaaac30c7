"""Fixtures that every test may use: a database of one's own, and figures for the terminal summary."""

import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from random import SystemRandom

import pytest
import pytest_asyncio

from diglot.service import current
from diglot.storage import feed, history, membership_log, memberships
from diglot.storage.engine import Engine, connect
from support import spec_data
from support.engines import DATABASES, Database
from support.membership.random_world import World, worlds
from support.populations import Crowd, load
from support.servers.process import Live, running

Tally = Callable[[str, str, int], None]
Telling = Callable[[str, str], None]
_TALLIES = pytest.StashKey[dict[str, Counter[str]]]()
_TOLD = pytest.StashKey[list[tuple[str, str]]]()
SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("diglot")
    group.addoption("--random-trees", type=int, default=500, help="how many random conditions (500)")
    group.addoption("--random-contacts", type=int, default=40, help="contacts for each hundred of them (40)")
    group.addoption(
        "--hostile", type=int, default=20_000, help="hostile requests to each dialect on SQLite (20000)"
    )
    group.addoption("--kills", type=int, default=4, help="how often a server is killed on each database (4)")
    group.addoption("--world-writes", type=int, default=2_000, help="random writes that are judged (2000)")
    group.addoption("--world-steps", type=int, default=150, help="random steps of memberships (150)")
    group.addoption(
        "--operations", type=int, default=400, help="writes of several processes on each database (400)"
    )
    group.addoption("--outside-seed", type=int, default=1, help="what Schemathesis begins with (1)")
    group.addoption("--outside-examples", type=int, default=15, help="its cases for each call on SQLite (15)")
    group.addoption("--outside-walks", type=int, default=150, help="its walks from call to call there (150)")
    group.addoption("--random-seed", type=int, help="repeats a run")


@pytest.fixture(scope="module", autouse=True)
def _settled() -> None:
    """Have the collector pass over what stays: thousands of tests, and what was said of them."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLIES] = {}
    config.stash[_TOLD] = []
    given = config.getoption("random_seed")
    config.stash[SEED] = SystemRandom().randrange(2**32) if given is None else given


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [
        f"random seed: {config.stash[SEED]} (repeat with --random-seed)",
        f"seed of Schemathesis: {config.getoption('outside_seed')} (another with --outside-seed)",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, counts in config.stash[_TALLIES].items():
        terminalreporter.write_line(f"{what}: " + ", ".join(f"{n:,} on {name}" for name, n in counts.items()))

    for title, text in config.stash[_TOLD]:
        terminalreporter.section(title)
        terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def telling(pytestconfig: pytest.Config) -> Telling:
    """Return a function that adds a text under a title to the terminal summary."""
    told = pytestconfig.stash[_TOLD]
    return lambda title, text: told.append((title, text))


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Return a function that adds to a figure of the terminal summary: what, on which database, how many."""
    tallies = pytestconfig.stash[_TALLIES]

    def add(what: str, database: str, number: int) -> None:
        tallies.setdefault(what, Counter())[database] += number

    return add


@pytest.fixture(scope="session", params=DATABASES, ids=lambda database: database.name)
def database(request: pytest.FixtureRequest) -> Database:
    """Return each database under test in turn."""
    found: Database = request.param
    return found


@pytest_asyncio.fixture
async def url(database: Database) -> AsyncIterator[str]:
    """Lend the URL of a migrated database of the test's own."""
    async with database.fresh() as found:
        yield found


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an open engine on a migrated database of the test's own."""
    found = connect(url)
    await found.open()
    yield found
    await found.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowds(database: Database) -> AsyncIterator[Mapping[str, Crowd]]:
    """Lend the population of the spec, in a workspace for each time zone that a row has."""
    people, zones = spec_data.population(), sorted({row.zone for row in spec_data.rows()})
    async with database.fresh() as found:
        opened = connect(found)
        await opened.open()
        yield {zone: await load(opened, people.contacts, people.lists, zone, people.now) for zone in zones}
        await opened.close()


@pytest_asyncio.fixture
async def world(
    url: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Lend two engines on one database, whose log is folded often and whose chunks are small in number."""
    monkeypatch.setattr(memberships, "FOLD_AT", 25)
    monkeypatch.setattr(memberships, "FOLD_PER_CHUNK", 0)
    monkeypatch.setattr(current, "SWEPT_FROM", 2)
    monkeypatch.setattr(feed, "MOST_ROWS", 7)
    monkeypatch.setattr(history, "_PART", 2)
    monkeypatch.setattr(membership_log, "_PART", 5)
    async with worlds(url, pytestconfig.stash[SEED]) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def process(database: Database) -> AsyncIterator[Live]:
    """Lend a server process on a migrated database, which all tests share."""
    async with database.fresh() as found, running(found) as server:
        yield server


@pytest.fixture
def live(process: Live, request: pytest.FixtureRequest) -> Live:
    """Return the server process with a workspace of the test's own."""
    return replace(process, workspace=request.node.name[:100])
