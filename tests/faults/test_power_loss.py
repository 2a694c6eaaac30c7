"""The power fails at any moment: every image that a disk may then hold has all that was acknowledged.

A traced server writes while two clients note in the same trace what they were answered. From the trace,
images of the files are rebuilt: of what was written after the last sync, none, all, some, the first, or a
torn write is there. SQLite maps files only to read them, so the trace of its writes is complete. The whole
proof is `pytest tests/faults/test_power_loss.py --power-losses 600 --power-writes 400`.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import pytest
import pytest_asyncio

from diglot.clock import system_clock
from diglot.storage.sql.sqlite_file import EPHEMERAL_SUFFIX, parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from support.engines import SQLITE
from support.faults.power_images import CHOICES, Disk, Files, lay
from support.faults.power_trace import Event, Recorder, environment, read_trace
from support.faults.power_witness import Witness
from support.load_workers.contacts import create_contact
from support.load_workers.pool import Crew, crew
from support.load_workers.worker import Actor, ServerClient
from support.reporting import SEED, Tally
from support.servers.in_process import serving
from support.servers.process import running

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAME: Final = "diglot.db"
# Requests are counted, so that the file of ephemeral tables is written, which nothing syncs.
OPTIONS: Final = ("--rate-limits", "1000000")
SESSIONS: Final = (2, 1)
# Few images prove that the harness sees losses.
DISTRUSTED: Final = 6


@dataclass
class Story:
    """A trace, the files before it, and the clients that tell what has to be in an image.

    `cut` counts what became of the unanswered writes.
    """

    before: Files
    events: Sequence[Event]
    crew: Crew
    witnesses: Sequence[Witness]
    cut: Counter[str] = field(default_factory=Counter)

    def moments(self, rng: Random, count: int) -> Sequence[int]:
        """Return random moments, two thirds of them within checkpoints, which write to a database file."""
        places = range(1, len(self.events) + 1)
        named = {
            name: [place for place in places if self.events[place - 1].name == name]
            for name in (NAME, f"{NAME}{EPHEMERAL_SUFFIX}")
        }
        kinds: Sequence[Sequence[int]] = (places, *named.values())
        return [rng.choice(kinds[number % len(kinds)]) for number in range(count)]

    def lose_power(self, moment: int, choice: str, rng: Random, *, trusts_syncs: bool = True) -> Files:
        """Return the files that a disk has after a power loss."""
        sure = {name: bytearray(content) for name, content in self.before.items()}
        files = Disk(sure, trusts_syncs=trusts_syncs).follow(self.events[:moment]).image(choice, rng)
        if choice == "torn":
            # Memory that processes shared; what of it was on the disk means nothing.
            files[f"{NAME}-shm"] = bytearray(rng.randbytes(2**15))
        return files

    def actors(self, moment: int, rng: Random) -> Sequence[Actor]:
        """Return the actors with what they knew."""
        return [witness.at(self.events[:moment], Random(rng.random())) for witness in self.witnesses]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Story]:
    """Let two clients write to a server with two workers, and after a restart to one with one."""
    rng = Random(f"{pytestconfig.stash[SEED]} power")
    trace = tmp_path_factory.mktemp("power") / "trace"
    recorder = Recorder(trace)
    actors = [Actor("ada", Random(rng.random()), 40, 1, 8), Actor("zoe", Random(rng.random()), 600, 200, 600)]
    async with SQLITE.fresh() as url:
        team = await crew(url, rng, actors)
        file = parse_sqlite_path(url)
        # The file of ephemeral tables is created in the trace, so that it can be torn as a whole.
        for path in file.parent.glob(f"{NAME}{EPHEMERAL_SUFFIX}*"):
            path.unlink()
        before = {path.name: bytearray(path.read_bytes()) for path in file.parent.iterdir()}
        witnesses = [Witness(actor, recorder) for actor in actors]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment(trace).items():
                patch.setenv(name, value)
            for workers in SESSIONS:
                await write(team, witnesses, workers, pytestconfig.getoption("power_writes") // len(SESSIONS))
        yield Story(before, read_trace(trace), team, witnesses)


async def write(team: Crew, witnesses: Sequence[Witness], workers: int, times: int) -> None:
    """Let all clients write at the same time to a traced server, which then stops."""
    options = (*OPTIONS, "--workers", str(workers))
    async with running(team.url, *options) as live, team.connect(live.base), asyncio.TaskGroup() as tasks:
        for witness in witnesses:
            tasks.create_task(witness.write(times // len(witnesses)))


async def check(story: Story, files: Files, actors: Sequence[Actor], folder: Path) -> None:
    """Serve an image; raise an error if it lacks something, contradicts itself, or takes no new writes."""
    lay(files, folder)
    url = f"sqlite:///{folder / NAME}"
    async with serving(url, now=system_clock(), rate_limits="1000000") as server:
        ways = [ServerClient(server.client, story.crew.keys)]
        for actor in actors:
            actor.ways = ways
        team = Crew(url, story.crew.rng, actors, story.crew.workspace, story.crew.keys, ways, story.cut)
        await team.check()
        for actor in actors:
            await actor.act(create_contact)
        await team.check()
    with closing(sqlite3.connect(folder / NAME)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_nothing_acknowledged_is_lost(
    story: Story, pytestconfig: pytest.Config, tmp_path: Path, tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    """Each image opens, is whole, has every answered write, agrees with itself, and takes new writes.

    Of an unanswered write of many contacts the first ones may be there; its retry does the rest.
    """
    rng = Random(f"{pytestconfig.stash[SEED]} images")
    images = pytestconfig.getoption("power_losses")
    choices = list(CHOICES)
    for number, moment in enumerate(story.moments(rng, images)):
        choice = choices[number % len(choices)]
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            files = story.lose_power(moment, choice, rng)
            await check(story, files, story.actors(moment, rng), folder)
        except Exception as error:
            raise AssertionError(f"image {number}: {choice} after event {moment}: {error!r}") from error
        shutil.rmtree(folder)
    events = story.events
    for outcome in ("done", "undone", "in part"):
        tally(f"unanswered writes in them that were {outcome}", "sqlite", story.cut[outcome])
    tally("images after a power loss", "sqlite", images)
    tally("damaged files of ephemeral tables in them", "sqlite", caplog.text.count("is made anew"))
    tally("traced syncs", "sqlite", sum(event.kind == "sync" for event in events))
    tally(
        "traced writes of checkpoints",
        "sqlite",
        sum(each.kind == "write" and each.name == NAME for each in events),
    )


async def test_the_harness_sees_losses(story: Story, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """If no sync is believed, the images lack what was acknowledged, and their check says so."""
    rng = Random(f"{pytestconfig.stash[SEED]} distrust")
    seen = 0
    for number in range(DISTRUSTED):
        moment = rng.randint(len(story.events) // 2, len(story.events))
        files = story.lose_power(moment, ("dropped", "part")[number % 2], rng, trusts_syncs=False)
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            await check(story, files, story.actors(moment, rng), folder)
        except Exception:  # noqa: BLE001 - any error is a loss that was seen
            seen += 1
    assert seen == DISTRUSTED


async def test_a_server_starts_on_an_image(
    story: Story, pytestconfig: pytest.Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`diglot serve` serves an image, and makes a torn file of ephemeral tables anew."""
    rng = Random(f"{pytestconfig.stash[SEED]} served")
    (moment,) = story.moments(rng, 1)
    name = f"{NAME}{EPHEMERAL_SUFFIX}"
    files = story.lose_power(moment, "torn", rng)
    # A WAL that has all pages makes the file whole again; the journal of its creation empties it.
    whole = {
        each: content for each, content in files.items() if each not in (f"{name}-wal", f"{name}-journal")
    }
    lay(whole | {name: bytearray(rng.randbytes(3 * 4096))}, tmp_path)
    actors = story.actors(moment, rng)
    url = f"sqlite:///{tmp_path / NAME}"
    team = Crew(url, rng, actors, story.crew.workspace, story.crew.keys)
    async with running(url, *OPTIONS) as live, team.connect(live.base):
        await team.check()
    assert f"{tmp_path / name} is damaged" in capfd.readouterr().err
