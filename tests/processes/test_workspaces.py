"""Renaming and deleting workspaces by commands."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import select

from diglot.service.access.keys import Keys
from diglot.service.access.workspace_removal import WorkspaceRemoval
from diglot.storage import removal
from diglot.storage.access.rate_counts import count_request
from diglot.storage.connect import create_engine
from diglot.storage.schema import ephemeral_metadata, metadata, rate_counts, workspace_profiles, workspaces
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.request_counts import RateRequest
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import bind_workspace
from support.commands import Run, command_runner
from support.marked_rows import OF_WORKSPACES, insert_marked, load_rows, workspace_of
from support.servers.in_process import bearer, serving

MARKER, OTHER = "leaves-nothing", "stays"
ROWS = 7
COUNTED = Statement(select(rate_counts.c.workspace))


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command; workspaces are deleted three rows at a time."""
    monkeypatch.setattr(removal, "ROWS_PER_PART", 3)
    return command_runner(capsys, monkeypatch)


def test_every_table_is_covered() -> None:
    """A table either belongs to workspaces, or has no rows of them."""
    assert {*removal.TABLES, workspaces, workspace_profiles} == {*OF_WORKSPACES} == {*metadata.sorted_tables}
    assert [table.name for table in ephemeral_metadata.sorted_tables if "workspace" in table.c] == [
        "rate_counts"
    ]


def test_the_counts_of_requests_are_deleted(diglot: Run, url: str) -> None:
    """Those of another workspace stay."""

    async def count_both() -> list[int]:
        engine = create_engine(url)
        await engine.open()
        try:
            for number in (1, 2):
                request = RateRequest("key", "bucket", 7, 0, 1_000, 5)
                await engine.run_ephemeral(bind_workspace(number, partial(count_request, request=request)))
            return await numbers(engine)
        finally:
            await engine.close()

    async def numbers(engine: Engine) -> list[int]:
        rows = await engine.run_ephemeral(lambda transaction: transaction.fetch_all(COUNTED))
        return sorted(row[0] for row in rows)

    async def left() -> list[int]:
        engine = create_engine(url)
        await engine.open()
        try:
            return await numbers(engine)
        finally:
            await engine.close()

    for name in ("one", "two"):
        assert (
            diglot("keys", "create", "--dialect", "misar", "--workspace", name, "--database", url).code == 0
        )
    assert asyncio.run(count_both()) == [1, 2]
    assert diglot("workspaces", "delete", "one", "--confirm", "one", "--database", url).code == 0
    assert asyncio.run(left()) == [2]


@pytest.mark.parametrize("first", [1, 2])
def test_a_deleted_workspace_leaves_nothing(diglot: Run, url: str, first: int) -> None:
    """No column of any table has the marker; the other workspace keeps every row."""
    asyncio.run(insert_marked(url, first, "acme", ROWS, MARKER))
    asyncio.run(insert_marked(url, 3 - first, "other", ROWS, OTHER))
    before = asyncio.run(load_rows(url))
    assert all({workspace_of(name, row) for row in rows} == {1, 2} for name, rows in before.items())
    count = sum(workspace_of(name, row) == first for name, rows in before.items() for row in rows)
    deleted = diglot("workspaces", "delete", "acme", "--confirm", "acme", "--database", url)
    assert (deleted.code, deleted.out) == (0, ""), deleted.err
    assert deleted.err.endswith(f"acme is deleted, with {count - 2} rows.\n")
    assert "100 % deleted" in deleted.err
    after = asyncio.run(load_rows(url))
    assert MARKER not in str(after)
    assert "acme" not in str(after)
    del before["workspace_profiles"]
    for name, rows in before.items():
        assert {row for row in rows if workspace_of(name, row) != first} == {*after[name]}, name
    assert diglot("workspaces", "list", "--database", url).out.split("\t")[0] == "other"


def test_what_is_not_confirmed_stays(diglot: Run, url: str) -> None:
    """The name is given again, as an option or on standard input."""
    asyncio.run(insert_marked(url, 1, "acme", 1, MARKER))
    before = asyncio.run(load_rows(url))
    command = ("workspaces", "delete", "acme", "--database", url)
    for refused in (diglot(*command), diglot(*command, stdin="yes\n"), diglot(*command, "--confirm", "Acme")):
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert "not confirmed" in refused.err
    assert asyncio.run(load_rows(url)) == before
    unknown = diglot("workspaces", "delete", "none", "--confirm", "none", "--database", url)
    assert (unknown.code, unknown.err) == (2, "diglot: there is no such workspace none\n")
    assert diglot(*command, stdin="acme\n").code == 0


def test_an_interrupted_deletion_is_finished_by_another(diglot: Run, url: str) -> None:
    """After an interruption no key works, and the same command deletes the rest."""
    asyncio.run(insert_marked(url, 1, "acme", ROWS, MARKER))

    async def interrupt() -> None:
        engine = create_engine(url)
        await engine.open()

        def stop(done: int, _: int) -> None:
            if done >= 3 * ROWS:
                raise KeyboardInterrupt

        try:
            with pytest.raises(KeyboardInterrupt):
                await WorkspaceRemoval(engine, stop).delete("acme")
        finally:
            await engine.close()

    asyncio.run(interrupt())
    rows = asyncio.run(load_rows(url))
    assert rows["keys"] == rows["sessions"] == []
    assert MARKER in str(rows)
    created = diglot("keys", "create", "--dialect", "misar", "--workspace", "acme", "--database", url)
    assert (created.code, created.out) == (2, "")
    assert "is being deleted" in created.err
    checked = diglot("check", "--database", url)
    assert checked.code == 1
    assert checked.out.startswith("workspace acme: its deletion did not end: run it again\n")
    assert diglot("workspaces", "list", "--database", url).out == "acme\tbeing deleted\n"
    assert diglot("workspaces", "delete", "acme", "--confirm", "acme", "--database", url).code == 0
    assert MARKER not in str(asyncio.run(load_rows(url)))


def test_a_number_is_never_used_again(diglot: Run, url: str) -> None:
    """Processes cache by number, so a new workspace gets another, also of the same name."""

    async def run() -> None:
        async with serving(url) as server:
            for _ in range(3):
                headers = bearer(await server.key("misar", "acme"))
                body = {"email": "ada@example.com"}
                created = await server.client.post("/mail/v1/contacts", json=body, headers=headers)
                assert created.status_code == 201, created.text
                engine = create_engine(url)
                await engine.open()
                await WorkspaceRemoval(engine, lambda *_: None).delete("acme")
                await engine.close()
                await asyncio.sleep(1.1)  # how long a key is cached
                gone = await server.client.get("/mail/v1/contacts", headers=headers)
                assert gone.status_code == 401

    asyncio.run(run())
    rows = asyncio.run(load_rows(url, [workspaces, workspace_profiles]))
    [left] = rows["workspace_profiles"]
    assert (left[0], rows["workspaces"]) == (3, [])
    assert diglot("workspaces", "list", "--database", url).out == ""
    refused = diglot("workspaces", "rename", left[1], "acme", "--database", url)
    assert refused.code == 2
    assert diglot("check", "--database", url).code == 0


def test_a_write_in_flight_finds_no_workspace(url: str) -> None:
    """A caller that was authenticated before gets its dialect's 404, and writes nothing."""

    async def run() -> None:
        async with serving(url) as server:
            headers = bearer(await server.key("misar", "acme"))
            engine = create_engine(url)
            await engine.open()
            [(_, key)] = await Keys(engine).list_all()
            remove = WorkspaceRemoval(engine, lambda *_: None)
            original = Keys.authenticate

            async def authenticate(self: Keys, dialect: str, secret: str | None) -> object:
                caller = await original(self, dialect, secret)
                await remove.delete("acme")
                return caller

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Keys, "authenticate", authenticate)
                answer = await server.client.post(
                    "/mail/v1/contacts", json={"email": "ada@example.com"}, headers=headers
                )
            await engine.close()
            assert key.workspace == 1
            assert answer.status_code == 404, answer.text

    asyncio.run(run())
    assert "ada@example.com" not in str(asyncio.run(load_rows(url)))


def test_a_workspace_is_renamed(diglot: Run, url: str) -> None:
    """Keys work on; a name in use, an unknown one and an impossible one are refused."""

    async def run(*, rename: bool) -> int:
        async with serving(url) as server:
            if rename:
                keys.append(await server.key("misar", "acme"))
                await server.key("misar", "other")
            answer = await server.client.get("/mail/v1/contacts", headers=bearer(keys[0]))
            return answer.status_code

    keys: list[str] = []
    assert asyncio.run(run(rename=True)) == 200
    renamed = diglot("workspaces", "rename", "acme", "Acme Ltd", "--database", url)
    assert (renamed.code, renamed.out, renamed.err) == (0, "", "acme is Acme Ltd now.\n")
    assert asyncio.run(run(rename=False)) == 200
    for arguments, reason in (
        (("acme", "x"), "no such workspace acme"),
        (("Acme Ltd", "other"), "there is a workspace other already"),
        (("Acme Ltd", " "), "printable characters"),
    ):
        refused = diglot("workspaces", "rename", *arguments, "--database", url)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert reason in refused.err
