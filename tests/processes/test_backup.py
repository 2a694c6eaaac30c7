"""Backups of a SQLite file in use, and putting one in its place."""

import asyncio
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from diglot.cli import main
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.sqlite_module import sqlite3
from support.engines import SQLITE
from support.servers.process import ServerProcess, running

pytestmark = pytest.mark.asyncio
Run = Callable[..., tuple[object, str, str]]
CONTACTS = 40


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command and returns its code, output and errors."""
    for name in [name for name in os.environ if name.startswith("DIGLOT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(SystemExit) as left:
            main(arguments)
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


async def create_contacts(client: httpx.AsyncClient, first: int, count: int) -> None:
    """Create contacts one by one."""
    for number in range(first, first + count):
        created = await client.post("/mail/v1/contacts", json={"email": f"c{number}@example.com"})
        assert created.status_code == 201, created.text


async def emails(live: ServerProcess) -> set[str]:
    """Return the addresses of all contacts, and check that the total agrees."""
    key = await live.key("misar")
    async with httpx.AsyncClient(base_url=live.base, headers={"Authorization": f"Bearer {key}"}) as client:
        answer = (await client.get("/mail/v1/contacts", params={"limit": 200})).json()
    assert answer["pagination"]["total"] == len(answer["data"])
    return {contact["email"] for contact in answer["data"]}


async def write_meanwhile(live: ServerProcess, work: Callable[[], None]) -> None:
    """Do something in a thread while a client creates contacts."""
    key = await live.key("misar")
    async with httpx.AsyncClient(base_url=live.base, headers={"Authorization": f"Bearer {key}"}) as client:
        await create_contacts(client, 0, CONTACTS)
        done = asyncio.create_task(asyncio.to_thread(work))
        number = CONTACTS
        while not done.done():
            await create_contacts(client, number, 1)
            number += 1
        await done


def file_of(url: str) -> Path:
    """Return the file of a database URL."""
    return Path(url.removeprefix("sqlite:///"))


@pytest.mark.one_in(2, of="backups")
async def test_a_backup_beside_writers_is_restored(diglot: Run, tmp_path: Path) -> None:
    """The backup has all that was acknowledged before it; restoring waits for the server to be stopped."""
    copy = tmp_path / "backup.db"
    results: list[tuple[object, str, str]] = []
    async with SQLITE.fresh() as url:
        async with running(url) as live:
            await write_meanwhile(
                live, lambda: results.append(diglot("backup", str(copy), "--database", url))
            )
            code, out, err = results.pop()
            assert code == 0, err
            assert f"revision {LATEST}" in out
            refused = diglot("restore", str(copy), "--database", url)
            assert refused[0] == 2
            assert "another process has" in refused[2]
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        code, _, err = diglot("restore", str(copy), "--database", url)
        assert code == 0, err
        [kept] = file_of(url).parent.glob("*.before-restore-*")
        assert str(kept) in err
        async with running(url) as live:
            restored = await emails(live)
    assert {f"c{number}@example.com" for number in range(CONTACTS)} <= restored


async def test_what_cannot_be_restored(diglot: Run, tmp_path: Path) -> None:
    """A damaged backup, one of a newer version, other files and the database itself change nothing."""
    copy, other = tmp_path / "backup.db", tmp_path / "other"
    other.write_text("not a database, but long enough to have a header of 100 bytes" * 9)
    async with SQLITE.fresh() as url:
        assert diglot("backup", str(copy), "--database", url)[0] == 0
        assert "exists already" in diglot("backup", str(copy), "--database", url)[2]
        before = file_of(url).read_bytes()
        newer, damaged = tmp_path / "newer.db", tmp_path / "damaged.db"
        newer.write_bytes(copy.read_bytes())
        with sqlite3.connect(newer) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'r999'")
        connection.close()
        content = bytearray(copy.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        damaged.write_bytes(content)
        reasons = {newer: "does not know", damaged: "", other: "not a database", file_of(url): "itself"}
        for file, reason in reasons.items():
            code, out, err = diglot("restore", str(file), "--database", url)
            assert (code, out, err.count("\n")) == (2, "", 1), (file, err)
            assert reason in err
        assert file_of(url).read_bytes() == before
        assert not list(file_of(url).parent.glob("*.before-restore-*"))
        assert not list(file_of(url).parent.glob("*.restoring"))


@pytest.mark.one_in(2, of="backups")
async def test_a_damaged_and_a_missing_database_are_replaced(diglot: Run, tmp_path: Path) -> None:
    """That is what a backup is for; the damaged file is kept with its WAL, and its side files go."""
    copy = tmp_path / "backup.db"
    async with SQLITE.fresh() as url:
        assert diglot("backup", str(copy), "--database", url)[0] == 0
        file = file_of(url)
        content = file.read_bytes()
        file.write_bytes(b"\0" * len(content))
        wal = file.with_name(f"{file.name}-wal")
        wal.write_bytes(b"left by a killed process")
        file.with_name(f"{file.name}-ephemeral").write_bytes(b"damaged")
        assert diglot("restore", str(copy), "--database", url)[0] == 0
        [kept] = [path for path in file.parent.glob("*.before-restore-*") if not path.name.endswith("-wal")]
        assert kept.read_bytes() == b"\0" * len(content)
        assert not wal.exists()
        async with running(url) as live:
            assert await emails(live) == set()
        for path in file.parent.glob(f"{file.name}*"):
            path.unlink()
        assert diglot("restore", str(copy), "--database", url)[0] == 0
        async with running(url) as live:
            assert await emails(live) == set()


async def test_what_cannot_be_copied(diglot: Run, tmp_path: Path) -> None:
    """A server's database has its own command; a missing file and a missing folder are one line each."""
    for arguments, reason in (
        (("backup", "x.db", "--database", "postgresql://u@h/d"), "pg_dump"),
        (("backup", str(tmp_path / "x.db"), "--database", str(tmp_path / "none.db")), "no database file"),
    ):
        code, out, err = diglot(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert reason in err
    async with SQLITE.fresh() as url:
        code, _, err = diglot("backup", str(tmp_path / "none" / "x.db"), "--database", url)
        assert (code, err.count("\n")) == (2, 1)
    backup = tmp_path / "b.db"
    backup.write_bytes(b"")
    assert "pg_restore" in diglot("restore", str(backup), "--database", "postgresql://u@h/d")[2]
