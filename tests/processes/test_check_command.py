"""`diglot check`: a healthy database, and each kind of damage as a line."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.background import outdated_values
from diglot.storage.connect import create_engine
from diglot.storage.schema import contacts, membership_log, segments, tags, workspaces
from diglot.storage.schema.migrate import upgrade_schema
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.sqlite_file import PAGE_SIZE
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sql.statement import Statement
from support.commands import Run, command_runner
from support.engines import set_revision
from support.servers.in_process import bearer, serving

RULES = {
    "segment_type": "dynamic",
    "filter_criteria": {
        "operator": "AND",
        "rules": [{"field": "tags", "operator": "contains", "value": "vip"}],
    },
}
PEOPLE = 3


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command."""
    return command_runner(capsys, monkeypatch)


async def fill(url: str) -> None:
    """Create contacts with a tag, and a dynamic segment of them."""
    async with serving(url) as server:
        headers = bearer(await server.key("misar", "acme"))
        made = await server.client.post("/mail/v1/segments", json={"name": "VIPs", **RULES}, headers=headers)
        assert made.status_code == 201, made.text
        for number in range(PEOPLE):
            body = {"email": f"c{number}@example.com", "tags": ["vip", "Café"]}
            created = await server.client.post("/mail/v1/contacts", json=body, headers=headers)
            assert created.status_code == 201, created.text


async def damage(url: str, statement: ClauseElement) -> None:
    """Run a statement."""
    engine = create_engine(url)
    await engine.open()
    await engine.write(lambda transaction: transaction.execute(Statement(statement)))
    await engine.close()


def test_a_healthy_database(diglot: Run, url: str) -> None:
    """One line of figures, and exit code 0; progress is on standard error."""
    asyncio.run(fill(url))
    checked = diglot("check", "--database", url)
    assert checked.code == 0, checked
    assert checked.out.startswith(f"Revision {LATEST}")
    assert checked.out.endswith("; 1 dynamic segment compared; 0 findings.\n")
    assert checked.out.count("\n") == 1
    assert "100 % checked" in checked.err
    assert ("free on the disk" in checked.out) == url.startswith("sqlite:")


DAMAGES: dict[str, tuple[Any, str]] = {
    "contact_count": (update(workspaces).values(contact_count=7), "contact_count is 7, but there are 3"),
    "list_count": (update(workspaces).values(list_count=2), "list_count is 2, but there are 0"),
    "segment_count": (update(workspaces).values(segment_count=0), "segment_count is 0, but there are 1"),
    "webhooks": (
        update(workspaces).values(active_webhook_count=1),
        "active_webhook_count is 1, but there are 0",
    ),
    "tag": (
        update(tags).where(tags.c.name == "vip").values(contact_count=1),
        "tag 'vip' is 1, but there are 3",
    ),
    "tag-of-no-row": (
        update(tags).where(tags.c.name == "vip").values(name_exact="other", contact_count=0),
        "tag 'vip' is 0, but there are 3",
    ),
    "members": (update(contacts).values(tags_exact="", tags_fold=""), "its members differ"),
    "members-count": (update(segments).values(members=99), "its counts differ from a full evaluation"),
    "next-change": (update(segments).values(next_change_at=1), "its next change by time is wrong"),
}


@pytest.mark.parametrize(("statement", "finding"), DAMAGES.values(), ids=DAMAGES)
def test_a_wrong_value_is_a_line(diglot: Run, url: str, statement: ClauseElement, finding: str) -> None:
    """The line names the workspace, and the exit code is 1."""
    asyncio.run(fill(url))
    asyncio.run(damage(url, statement))
    checked = diglot("check", "--database", url)
    lines = checked.out.splitlines()
    assert (checked.code, len(lines)) == (1, 2), checked
    assert lines[0].startswith("workspace acme: ")
    assert finding in lines[0]
    assert lines[1].endswith("; 1 finding.")


OUTDATED: dict[str, tuple[Any, str]] = {
    "address": (
        update(contacts).where(contacts.c.pk == 1).values(email="c0@example.com,"),
        "1 contact has an address that is refused now: ",
    ),
    "twins": (
        update(contacts)
        .where(contacts.c.pk == 1)
        .values(email="c1@Example.com", as_sent='{"email_as_sent":"C1@example.com"}'),
        "1 contact has the address of another contact, in another spelling: ",
    ),
    "keys": (
        update(contacts).values(attributes='{" plan": 1}'),
        "3 contacts have attribute keys that are not in normal form C",
    ),
    "times": (
        update(contacts).values(last_opened_at=4_102_444_800_000_000),
        "3 contacts have a time in the future: ",
    ),
}


@pytest.mark.parametrize(("statement", "finding"), OUTDATED.values(), ids=OUTDATED)
def test_values_that_are_refused_now_are_listed(
    diglot: Run, url: str, statement: ClauseElement, finding: str
) -> None:
    """They stay readable, and a line names the contacts that have them."""
    asyncio.run(fill(url))
    asyncio.run(damage(url, statement))
    checked = diglot("check", "--database", url)
    lines = checked.out.splitlines()
    assert (checked.code, len(lines)) == (1, 2), checked
    assert lines[0].startswith(f"workspace acme: {finding}")


def test_many_contacts_with_such_values(diglot: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are named, the others counted."""
    monkeypatch.setattr(outdated_values, "MAX_NAMED", 2)
    asyncio.run(fill(url))
    old = '["vip","Cafe\u0301"," vip"]'
    asyncio.run(damage(url, update(contacts).values(tags=old)))
    checked = diglot("check", "--database", url)
    (line,) = [line for line in checked.out.splitlines() if "not in normal form C" in line]
    assert line.startswith("workspace acme: 3 contacts have tags that are not in normal form C")
    assert line.endswith(" and 1 more")


def test_segments_are_repaired(diglot: Run, url: str) -> None:
    """`--repair` says what it repaired, and the next check finds nothing."""
    asyncio.run(fill(url))
    asyncio.run(damage(url, update(segments).values(members=99)))
    repaired = diglot("check", "--repair", "--database", url)
    assert repaired.code == 1
    assert "(repaired)" in repaired.out
    assert diglot("check", "--database", url).code == 0


def test_a_sample(diglot: Run, url: str) -> None:
    """It compares contacts with all segments, finds what a full evaluation finds, and can be repeated."""
    asyncio.run(fill(url))
    healthy = diglot("check", "--sample", "1000", "--seed", "7", "--database", url)
    assert healthy.code == 0, healthy
    assert healthy.out.endswith("; 3 contacts compared (--seed 7); 0 findings.\n")
    asyncio.run(damage(url, delete(membership_log)))
    damaged = diglot("check", "--sample", "1000", "--database", url)
    assert damaged.code == 1
    assert damaged.out.startswith("workspace acme: segment ")
    assert ": 3 of 3 contacts differ from an evaluation\n" in damaged.out
    both = diglot("check", "--sample", "5", "--repair", "--database", url)
    assert both.code == 2
    assert "--sample repairs nothing" in both.err


def test_another_revision(diglot: Run, url: str) -> None:
    """An older one is a finding, a newer one cannot be opened."""
    asyncio.run(set_revision(url, "r001"))
    older = diglot("check", "--database", url)
    assert older.code == 1
    assert f"the schema is at revision r001, not {LATEST}: run `diglot migrate`\n" in older.out
    asyncio.run(set_revision(url, "r999"))
    newer = diglot("check", "--database", url)
    assert (newer.code, newer.out) == (2, "")
    assert "does not know" in newer.err


def test_a_damaged_file(diglot: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged page is a line, and so is a full disk; what is no database, or not there, is refused."""
    file = tmp_path / "diglot.db"
    asyncio.run(upgrade_schema(str(file)))
    asyncio.run(fill(str(file)))
    content = file.read_bytes()
    monkeypatch.setenv("DIGLOT_MIN_FREE_MIB", str(1 << 19))
    full = diglot("check", "--database", str(file))
    assert full.code == 1
    assert "MiB free, less than 524,288\n" in full.out
    monkeypatch.delenv("DIGLOT_MIN_FREE_MIB")
    damaged_index = bytearray(content)
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events_by_id'")
        page = found.fetchone()[0]
    damaged_index[(page - 1) * PAGE_SIZE : page * PAGE_SIZE] = bytes(PAGE_SIZE)
    file.write_bytes(damaged_index)
    damaged = diglot("check", "--database", str(file))
    assert damaged.code == 1, damaged
    assert "the file is damaged: " in damaged.out
    assert "; 0 dynamic segments compared" in damaged.out
    file.write_bytes(b"no database at all, but some bytes" * 99)
    for path in (file, tmp_path / "none.db"):
        refused = diglot("check", "--database", str(path))
        assert (refused.code, refused.out) == (2, "")
        assert not (tmp_path / "none.db").exists()
