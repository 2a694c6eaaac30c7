"""Import jobs in parts: however often one is stopped and continued, no row is lost or imported twice."""

import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Final

import pytest
import pytest_asyncio

from diglot.clock import system_clock
from diglot.model.imports import ImportCounts, ImportJob, ImportOptions
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.contacts import import_batch
from diglot.service.contacts.personal_data import PersonalData
from diglot.service.imports.run import StaleError
from diglot.service.limits import require_room
from diglot.service.parts import FIRST_PART, PartSize
from diglot.storage.imports import jobs
from diglot.storage.sql.engine import Engine
from diglot.storage.write_unit import lock_workspace
from support.import_world import NOW, PART, World, finish

ROWS: Final = 50
BAD: Final = (4, 30)
# Two rows have one address.
REPEATED: Final = (5, 47)
LINES: Final = [
    f"p{REPEATED[0] if n == REPEATED[1] else n}@{'@' if n in BAD else ''}example.com,{n},no,tag{n}"
    for n in range(ROWS)
]
BODY: Final = ("\n\nEmail Address,plan,opt_out,tags\n" + "\n".join(LINES) + "\n\n").encode()
COUNTS: Final = ImportCounts(rows=ROWS, created=47, updated=1, refused=2)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diglot.service.imports.sources.PIECE_BYTES", 100)


@pytest_asyncio.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    """Lend a workspace."""
    row = await engine.write(lambda tx: get_or_create_workspace(tx, "acme", "UTC", NOW))
    yield World(engine, row.number)


async def check_imported(world: World, job: ImportJob) -> None:
    """Check that the file was imported, each row once."""
    stored = await world.stored(job)
    assert (stored.status, stored.progress.counts) == ("done", COUNTS)
    assert (stored.progress.total_rows, stored.progress.custom_fields) == (ROWS, ["plan"])
    contacts = await world.contacts()
    expected = [n for n in range(ROWS) if n not in (*BAD, REPEATED[1])]
    assert [one.email for one in contacts] == [f"p{n}@example.com" for n in expected]
    assert contacts[4].attributes == f'{{"plan":"{REPEATED[1]}"}}'
    assert {one.status for one in contacts} == {"subscribed"}
    reason = "Email Address: Invalid email"
    assert await world.rejects(job) == [(n + 4, reason, f"p{n}@@example.com") for n in BAD]


async def test_an_import(world: World) -> None:
    """A file is checked, imported in parts, and its rejected rows are kept."""
    job = await world.begin(BODY)
    assert job.status == "waiting"
    await check_imported(world, await finish(world.run(job, BODY)))


async def test_another_process_continues_after_each_part(world: World) -> None:
    """A job that is stopped after any part goes on where it was."""
    job, steps = await world.begin(BODY), 0
    while job.status not in ("done", "failed"):
        run = world.run(job, BODY)
        await run.run_step()
        job, steps = run.job, steps + 1
        again, continues = await world.imports.find_or_begin(
            world.workspace, io.BytesIO(BODY), "b.csv", ImportOptions()
        )
        assert continues is (job.status != "done")
        assert not continues or again == job
    await check_imported(world, job)
    assert steps > ROWS / PART


@pytest.mark.parametrize("after", [0, 1, 20, 40])
async def test_a_part_that_fails_writes_nothing(
    world: World, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part stores its contacts, its rejects and its progress together."""
    job, left = await world.begin(BODY), [after]
    store = jobs.update_job

    async def fail(unit: Any, stored: ImportJob) -> None:
        await store(unit, stored)
        if stored.progress.counts.rows > left[0]:
            raise RuntimeError("interrupted")

    monkeypatch.setattr(jobs, "update_job", fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        await finish(world.run(job, BODY))
    stored = await world.stored(job)
    assert stored.progress.counts.rows <= after
    assert len(await world.contacts()) == stored.progress.counts.created
    left[0] = ROWS
    await check_imported(world, await finish(world.run(stored, BODY)))


async def test_two_processes_run_one_job(world: World) -> None:
    """Each part is written by one of them; the other reads the job again."""
    job = await world.begin(BODY)
    runs, stale = [world.run(job, BODY), world.run(job, BODY)], 0
    while not all(run.is_ended for run in runs):
        for place, run in enumerate(runs):
            try:
                if not run.is_ended:
                    await run.run_step()
            except StaleError:
                stale += 1
                runs[place] = world.run(await world.stored(job), BODY)
    await check_imported(world, job)
    assert stale


async def test_the_command_follows_another_process(world: World) -> None:
    """A command that finds its job changed reads it again and finishes it."""
    job = await world.begin(BODY)
    first = world.run(job, BODY)
    await first.run_step()
    await first.run_step()
    done = await world.imports.run(
        world.workspace, job, io.BytesIO(BODY), lambda run: None, should_stop=lambda: False
    )
    assert done.status == "done"
    await check_imported(world, job)


async def test_a_part_after_segments_changed_is_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows may take much longer now, although more of them are read already."""
    job = await world.begin(BODY)
    run, sizes = world.run(job, BODY), list[int]()
    write = import_batch.import_batch

    async def note(unit: Any, changes: Any, rules: Any) -> Any:
        sizes.append(len(changes))
        return await write(unit, changes, rules)

    monkeypatch.setattr("diglot.service.imports.run.import_batch", note)
    run._size = PartSize(20, segments_version=-1)
    await run.run_step()
    await run.run_step()
    assert sizes == [FIRST_PART - 1], "one of its rows is refused"
    await check_imported(world, await finish(run))


async def test_a_cancelled_job_stops(world: World) -> None:
    """What was imported stays."""
    job = await world.begin(BODY)
    run = world.run(job, BODY)
    await run.run_step()
    await run.run_step()
    there = len(await world.contacts())

    async def cancel(unit: Any) -> None:
        found = await jobs.find_by_number(unit, job.number)
        assert found is not None
        await jobs.update_job(unit, replace(found, status="cancelled"))

    await world.engine.write(lock_workspace(world.workspace, system_clock, cancel))
    with pytest.raises(StaleError):
        await run.run_step()
    ended = world.run(await world.stored(job), BODY)
    assert ended.is_ended
    assert 0 < there == len(await world.contacts()) < ROWS


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (BODY + b"x@example.com,1,perhaps,\n", "rows.55.opt_out: The column speaks of opting out"),
        (BODY + b'x@example.com,"1\n', "Line 55 is not valid CSV: unexpected end of data"),
        (BODY + b"x@example.com,\xff\n", "The file is not UTF-8"),
        (b"name,plan\nA,b\n", "email: No column has this name: the columns are name, plan"),
        (b"\n\n", "The file is empty"),
        (b"", "The file is empty"),
    ],
)
async def test_a_file_that_is_refused(world: World, body: bytes, error: str) -> None:
    """Its last row is read before its first one is imported."""
    job = await finish(world.run(await world.begin(body), body))
    assert job.status == "failed"
    assert job.error is not None
    assert job.error.startswith(error)
    assert await world.contacts() == []


async def test_a_file_that_is_cut_short(world: World) -> None:
    """What was imported stays, and the job says why it ended."""
    job = await world.begin(BODY)
    run = world.run(job, BODY)
    await run.run_step()
    await run.run_step()
    ended = await finish(world.run(await world.stored(job), BODY[:400]))
    assert (ended.status, ended.error) == ("failed", "The file ended before its end")
    assert ended.progress.counts.rows == len(await world.contacts()) + ended.progress.counts.refused


async def test_existing_contacts(world: World) -> None:
    """They are updated, or left as they are; an opt-out holds; sending again changes nothing."""
    await finish(world.run(await world.begin(BODY), BODY))
    more = b"email,opt_out,plan\np1@example.com,yes,1\np2@example.com,,new\nz@example.com,x,\n"
    skipped = await finish(world.run(await world.begin(more, ImportOptions(update_existing=False)), more))
    assert skipped.progress.counts == ImportCounts(rows=3, created=1, skipped=2, unsubscribed=1)
    updated = await finish(world.run(await world.begin(more), more))
    assert updated.progress.counts == ImportCounts(rows=3, updated=2, unchanged=1, unsubscribed=1)
    again = await finish(world.run(await world.begin(more), more))
    assert again.progress.counts == ImportCounts(rows=3, unchanged=3)
    statuses = {one.email: one.status for one in await world.contacts()}
    assert (statuses["p1@example.com"], statuses["p2@example.com"]) == ("unsubscribed", "subscribed")


async def test_options_for_all_contacts(world: World) -> None:
    """Tags are added, and a status lowers."""
    options = ImportOptions(tags=("june", "fair"), status="bounced", mapping={"plan": "company"})
    body = b"email,tags,plan,opt_out\na@example.com,own,Acme,yes\n"
    await finish(world.run(await world.begin(body, options), body))
    (contact,) = await world.contacts()
    assert (contact.tags, contact.status, contact.company) == ('["own","june","fair"]', "bounced", "Acme")


async def test_rows_that_only_the_contacts_reject(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit rejects rows, with their cells, in the order of the file."""
    monkeypatch.setattr(import_batch, "require_room", _refuse_after(3))
    body = b"email\n" + b"".join(b"%d@example.com\n" % n for n in range(4)) + b"bad\n"
    job = await finish(world.run(await world.begin(body), body))
    assert [row for row, *_ in await world.rejects(job)] == [5, 6]
    assert job.progress.counts == ImportCounts(rows=5, created=3, refused=2)


def _refuse_after(most: int) -> Callable[[str, int, int], None]:
    return lambda kind, limit, current: require_room(kind, most, current)


async def test_rejected_rows_of_a_person(world: World) -> None:
    """They belong to what is stored about an address, and are erased with it."""
    job = await finish(world.run(await world.begin(BODY), BODY))
    data, email = PersonalData(world.engine, lambda: NOW), f"P{BAD[0]}@@example.com"
    (row,) = (await data.export("acme", email))["rejected_rows"]
    assert (row["import"], row["row"], row["cells"][0]) == (job.number, BAD[0] + 4, email.lower())
    await data.erase("acme", email)
    assert [row for row, *_ in await world.rejects(job)] == [BAD[1] + 4]
