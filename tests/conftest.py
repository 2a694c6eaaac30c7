"""Fixtures for all tests: a database of the test's own, and figures for the terminal summary."""

import gc
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from diglot.membership import compaction, writer
from diglot.membership.history import feed
from diglot.storage.connect import create_engine
from diglot.storage.contacts import event_matches
from diglot.storage.membership import log as membership_log
from diglot.storage.membership import log_sums
from diglot.storage.sql.engine import Engine
from support import amounts, bytecode, certificates, reporting, scheduling, spec_data, truth_sample, variants
from support.engines import DATABASES, Database, lend_each
from support.membership.random_world import World, open_world
from support.paths import TESTS
from support.populations import Crowd, load
from support.reporting import SEED, Tally, Telling
from support.servers.in_process import Server, serving
from support.servers.process import ServerProcess, running

# Tests that share a server have workspaces whose names begin with a unique number.
_NUMBERS = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("diglot")
    amounts.add_options(group)
    group.addoption("--random-seed", type=int, help="the seed of an earlier run, to repeat it")


def pytest_configure(config: pytest.Config) -> None:
    bytecode.allow()
    certificates.share()
    amounts.settle(config)
    reporting.configure(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    reporting.send_seed(node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    reporting.take_over(node)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporting.hand_back(session.config)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return scheduling.workers(config)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.UnitScheduling:
    return scheduling.UnitScheduling(config, log)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module without fast tests for `-m fast`, because that takes longer than to run the others."""
    asks_for_fast = config.getoption("markexpr") == scheduling.FAST
    if asks_for_fast and collection_path.suffix == ".py" and collection_path.is_relative_to(TESTS):
        return not scheduling.is_fast(collection_path.relative_to(TESTS).as_posix()) or None
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the fast tests, and run tests that share a server in the event loop of its connections."""
    if scheduling.is_fast(item.nodeid):
        item.add_marker(scheduling.FAST)
    if "module_server" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests that take a `sampled_row` or a `sampled_acceptance` with a sample, or with all."""
    if "sampled_row" in metafunc.fixturenames:
        config = metafunc.config
        rows = truth_sample.sample(config.getoption("truth_share"), config.stash[SEED])
        in_order = sorted(rows, key=lambda row: row.now)
        metafunc.parametrize("sampled_row", in_order, ids=[f"{row.file}: {row.name}" for row in in_order])
    if "sampled_acceptance" in metafunc.fixturenames:
        config = metafunc.config
        chosen = truth_sample.sample_acceptances(config.getoption("truth_share"), config.stash[SEED])
        metafunc.parametrize("sampled_acceptance", chosen, ids=[each.name for each in chosen])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Pause the garbage collector: it would scan thousands of tests over and over, and all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the variants that are not drawn, and put the slowest tests first."""
    if config.getoption("drawn"):
        drawn = variants.draw(items, config.stash[SEED])
        config.hook.pytest_deselected(items=list({*items} - {*drawn}))
        items[:] = drawn
    items.sort(key=lambda item: scheduling.turn_of(item.nodeid))


def pytest_report_header(config: pytest.Config) -> list[str]:
    drawn = "one database for each row, and some rows" if config.getoption("drawn") else "all"
    return [
        f"random seed: {config.stash[SEED]} (repeat with --random-seed)",
        f"tests: {drawn} (all with --drawn 0 or --full)",
        f"seed of Schemathesis: {config.getoption('outside_seed')} (another with --outside-seed)",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reporting.write(terminalreporter, config)


@pytest.fixture(scope="module", autouse=True)
def _settled() -> None:
    """Freeze the objects that stay, because the collector would scan thousands of tests and reports."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _few_events_by_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQL evaluate what asks for single events although there are few of them."""
    monkeypatch.setattr(event_matches, "MIN_EVENTS", 0)


@pytest.fixture(scope="session")
def telling(pytestconfig: pytest.Config) -> Telling:
    """Return a function that adds a text under a title to the terminal summary."""
    return partial(reporting.add_text, pytestconfig)


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Return a function that adds to a figure of the terminal summary: its name, the database, a number."""
    return partial(reporting.add, pytestconfig)


# A module that needs others has a fixture of the same name.
database = lend_each(DATABASES)


@pytest_asyncio.fixture
async def empty(database: Database) -> AsyncIterator[str]:
    """Lend the URL of a database without tables for one test."""
    async with database.empty() as lent_url:
        yield lent_url


@pytest_asyncio.fixture
async def url(database: Database) -> AsyncIterator[str]:
    """Lend the URL of a migrated database for one test."""
    async with database.fresh() as lent_url:
        yield lent_url


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an open engine on a migrated database for one test."""
    engine = create_engine(url)
    await engine.open()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowds(database: Database) -> AsyncIterator[Mapping[str, Crowd]]:
    """Lend the population of the spec, in one workspace for each time zone of the rows."""
    people, zones = spec_data.population(), sorted({row.zone for row in spec_data.rows()})
    async with database.fresh() as lent_url:
        opened = create_engine(lent_url)
        await opened.open()
        yield {zone: await load(opened, people.contacts, people.lists, zone, people.now) for zone in zones}
        await opened.close()


@pytest_asyncio.fixture
async def world(
    url: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Lend a world of two engines on one database, with frequent compactions and chunks of small keys."""
    monkeypatch.setattr(compaction, "COMPACT_AT", 25)
    monkeypatch.setattr(compaction, "COMPACT_PER_CHUNK", 0)
    monkeypatch.setattr(compaction, "DELTA_STEP", 7)
    monkeypatch.setattr(writer, "SWEEP_THRESHOLD", 2)
    monkeypatch.setattr(feed, "MAX_ROWS", 7)
    monkeypatch.setattr(log_sums, "_ROWS_PER_READ", 2)
    monkeypatch.setattr(membership_log, "_ROWS_PER_READ", 5)
    async with open_world(url, pytestconfig.stash[SEED]) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_server(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Lend an app that the tests of a module share, with the settings of the module's SERVING."""
    async with (
        database.fresh() as lent_url,
        serving(lent_url, **getattr(request.module, "SERVING", {})) as server,
    ):
        yield server


@pytest.fixture
def server(module_server: Server, request: pytest.FixtureRequest) -> Server:
    """Return the module's app with separate workspaces; its clock restarts with each test."""
    started = getattr(request.module, "SERVING", {}).get("now", 0)
    return module_server.for_test(next(_NUMBERS), started)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def process(database: Database) -> AsyncIterator[ServerProcess]:
    """Lend a server process on a migrated database, shared by all tests."""
    async with database.fresh() as lent_url, running(lent_url) as server:
        yield server


@pytest.fixture
def live(process: ServerProcess, request: pytest.FixtureRequest) -> ServerProcess:
    """Return the server process with a workspace for one test."""
    return replace(process, workspace=request.node.name[:100])
