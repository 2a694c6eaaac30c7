"""Archives: a whole workspace leaves one database as a file, and comes back equal in another."""

import asyncio
import hashlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from diglot.background.check import Check
from diglot.clock import system_clock
from diglot.errors import Conflict, Misconfigured, NotFound
from diglot.service.access.workspace_removal import WorkspaceRemoval
from diglot.service.access.workspaces import Workspaces
from diglot.service.archives import archive_file, archives
from diglot.service.archives.archives import Archives
from diglot.storage.archived_rows import ARCHIVED, HELD, LEFT_OUT, TABLES
from diglot.storage.connect import create_engine
from diglot.storage.schema import metadata, segments, webhooks, workspace_profiles, workspaces
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import Statement
from support.commands import Run, command_runner
from support.engines import DATABASES, Database
from support.marked_rows import insert_marked, load_rows
from support.servers.api_clients import dialect_clients
from support.servers.in_process import Server, bearer, serving
from support.workspace_answers import Answers

NOW = 1_790_000_000_123_456
DAY = 86_400_000_000
ROWS = 7
# A new table fails a test until somebody has decided whether it is part of archives.
IN_ARCHIVES = {
    *("workspace_profiles", "workspaces", "contacts", "segments", "lists", "list_members", "tags", "events"),
    *("segment_chunks", "membership_log", "membership_log_sums", "pending_members", "field_instants"),
    *("indexed_fields", "deleted_contacts", "deleted_segments", "webhooks", "deliveries", "verifications"),
    *("attribute_keys", "event_names", "event_states", "membership_log_counts"),
}
NOT_IN_ARCHIVES = {
    *("keys", "sessions", "idempotent_responses", "webhook_sources"),
    *("import_jobs", "import_chunks", "import_rejects"),
}


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (archives, archive_file):
        monkeypatch.setattr(module, "ROWS_PER_PART", 3)


@pytest_asyncio.fixture(params=DATABASES, ids=lambda database: f"into {database.name}")
async def other_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Lend the URL of a second migrated database, of each kind."""
    database: Database = request.param
    async with database.fresh() as lent_url:
        yield lent_url


async def on(url: str, work: Callable[[Engine], Any]) -> Any:
    """Run a function on the engine of a database."""
    engine = create_engine(url)
    await engine.open()
    try:
        return await work(engine)
    finally:
        await engine.close()


def _ignore(done: int, total: int) -> None:
    assert done <= total


async def write(url: str, name: str = "acme") -> bytes:
    """Return the archive of a workspace."""
    file = io.BytesIO()
    await on(url, lambda engine: Archives(engine.in_background(), _ignore).write(name, file))
    return file.getvalue()


async def read(url: str, archive: bytes, name: str | None = None, progress: Any = _ignore) -> Any:
    """Create a workspace from an archive."""
    return await on(
        url, lambda engine: Archives(engine.in_background(), progress).read(io.BytesIO(archive), name)
    )


def test_every_table_is_placed() -> None:
    """A table with rows of workspaces is part of archives, or is left out for a reason."""
    assert {table.name for table in TABLES} == IN_ARCHIVES
    assert {table.name for table in LEFT_OUT} == NOT_IN_ARCHIVES
    every = {table.name for table in metadata.sorted_tables if "workspace" in table.c}
    assert every == IN_ARCHIVES | NOT_IN_ARCHIVES
    for archived in ARCHIVED:
        names = [column.name for column in archived.table.columns if column.name != "workspace"]
        assert list(archived.columns) == names
        assert set(archived.held) <= set(names)


async def test_every_column_comes_back(url: str, other_url: str) -> None:
    """A value in each column of each table survives; of another workspace nothing is taken along."""
    await insert_marked(url, 1, "before", 2, "stays")
    await insert_marked(url, 2, "acme", ROWS, "goes")
    await insert_marked(other_url, 1, "one", 1, "there")
    await insert_marked(other_url, 2, "two", 1, "there")
    await read(other_url, await write(url))
    before, after = await load_rows(url), await load_rows(other_url)
    for table in metadata.sorted_tables:
        names = [column.name for column in table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in before[table.name]]
        expected = [{**row, "workspace": 3} for row in rows if row["workspace"] == 2]
        if table in LEFT_OUT:
            expected = []
        if table is workspace_profiles:
            expected[0]["password_hash"] = None
        came = [dict(zip(names, row, strict=True)) for row in after[table.name]]
        assert [row for row in came if row["workspace"] == 3] == expected, table.name
        assert len([row for row in came if row["workspace"] != 3]) == 2


async def _fill(server: Server) -> None:
    """Fill the workspace of the dialects' clients through both dialects, over some days."""
    misar, topmail = await dialect_clients(server)
    names = ("ada", "bob", "cyd", "dan", "eve", "fay", "gus")
    people = [
        {
            "email": f"{name}@example.com",
            "tags": ["vip", name] if number % 2 else [],
            "last_opened_at": f"2026-09-{20 - number}T00:00:00.000001Z",
            "custom_fields": {"plan": "pro" if number % 3 else "free", "seats": number, "Größe": [1.5, True]},
        }
        for number, name in enumerate(names)
    ]
    await misar.request("POST", "/contacts/import", {"contacts": people})
    rules = {"operator": "AND", "rules": [{"field": "plan", "operator": "equals", "value": "pro"}]}
    pro = (await misar.create("Pro", rules))["id"]
    by_hand = (await misar.create("By hand", rules, segment_type="static"))["id"]
    named = {"field": "segments", "operator": "in", "value": [by_hand]}
    others = {"field": "segments", "operator": "not_equals", "value": pro}
    await misar.create("Referencing", {"operator": "OR", "rules": [named, others]})
    await misar.create("Draft", {"operator": "AND", "rules": []})
    doomed = await misar.create("Doomed", rules)
    recent = {"match": "all", "rules": [{"field": "last_opened_at", "operator": "in_last_days", "value": 7}]}
    await topmail.create("Recent", recent)
    guests = await topmail.request("POST", "/lists", {"name": "Guests", "type": "static"}, 201)
    ids = {item["email"]: item["id"] for item in (await misar.request("GET", "/contacts?limit=100"))["data"]}
    joining = {"contact_ids": [ids["ada@example.com"], ids["cyd@example.com"]]}
    await topmail.request("POST", f"/lists/{guests['data']['id']}/members", joining)
    dynamic = {"name": "Lately", "type": "dynamic", "conditions": recent}
    await topmail.request("POST", "/lists", dynamic, 201)
    hook = {"url": "https://example.com/hook", "events": ["contact.created", "segment.entered"]}
    await misar.request("POST", "/webhooks", hook, 201)
    for day in range(4):
        server.now += DAY
        order = {
            "email": f"{names[day]}@example.com",
            "type": "purchase",
            "revenue": 40.5,
            "order_id": f"o{day}",
        }
        await topmail.request("POST", "/conversions", order, 201)
        await misar.request(
            "PATCH", f"/contacts/{ids['dan@example.com']}", {"custom_fields": {"plan": str(day)}}
        )
        await misar.request("POST", "/contacts", {"email": f"new{day}@example.com"}, 201)
    await misar.request("DELETE", f"/contacts/{ids['eve@example.com']}")
    await misar.delete(doomed["id"])


async def _find_faults(url: str) -> list[str]:
    findings: list[str] = []
    await on(
        url, lambda engine: Check(engine, findings.append, _ignore, lambda: NOW + 9 * DAY).run(repair=False)
    )
    return findings


async def test_the_workspace_is_equal(url: str, other_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls that read answer the same, at any change of the history; both workspaces go on alike."""
    monkeypatch.setattr(archives, "ROWS_PER_PART", 1_000)
    monkeypatch.setattr(archive_file, "ROWS_PER_PART", 1_000)
    async with serving(url, now=NOW) as server:
        misar, _ = await dialect_clients(server)
        await _fill(server)
        name = (await on(url, lambda engine: Workspaces(engine).list_all()))[0].name
        await on(url, lambda engine: Workspaces(engine).set_time_zone(name, "Asia/Kathmandu"))
        answers = await Answers(server, name).read_all(range(40))
        assert sum(status == 200 for status, _ in answers.values()) > 200
        assert await _find_faults(url) == []
        archive, now = await write(url, name), server.now
        await read(other_url, archive, "copy")
        assert await _find_faults(other_url) == []
        async with serving(other_url, now=now) as other:
            assert await Answers(other, "copy").read_all(range(40)) == answers
            again = await write(other_url, "copy")
            assert _digests(again) == _digests(archive)
            for each, workspace in ((server, name), (other, "copy")):
                each.now += 2 * DAY
                key = await each.key("misar", workspace, ("contacts",))
                body = {"email": "later@example.com", "custom_fields": {"plan": "pro"}}
                path = f"{misar.prefix}/contacts"
                assert (await each.client.post(path, json=body, headers=bearer(key))).status_code == 201
            (before, after) = [
                [
                    (item["name"], item["contact_count"], item["next_change_at"])
                    for item in (
                        await each.client.get(
                            f"{misar.prefix}/segments?limit=100",
                            headers=bearer(await each.key("misar", workspace, ("contacts",))),
                        )
                    ).json()["data"]["segments"]
                ]
                for each, workspace in ((server, name), (other, "copy"))
            ]
            assert before == after
    assert await _find_faults(other_url) == []


def _digests(archive: bytes) -> dict[str, str]:
    """Return the digests of the tables in an archive, but of those that name the workspace."""
    manifest = json.loads(zipfile.ZipFile(io.BytesIO(archive)).read("manifest.json"))
    tables = {table["name"]: table["sha256"] for table in manifest["tables"]}
    del tables["workspace_profiles"]
    return tables


async def test_into_the_same_database(url: str) -> None:
    """A workspace can be copied beside itself; its own name is in use."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    archive = await write(url)
    with pytest.raises(Conflict, match="there is a workspace acme already: import it under another name"):
        await read(url, archive)
    await read(url, archive, "copy")
    assert _digests(await write(url, "copy")) == _digests(archive)


async def test_an_interrupted_import_leaves_nothing(url: str, other_url: str) -> None:
    """Until its last transaction nobody finds the workspace; running it again deletes what is left."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    archive = await write(url)
    total = archive_file.ArchiveReader(io.BytesIO(archive)).manifest.rows
    # The two rows of the workspace itself come last.
    for stop_at in (total + 1, 2 * total - 2):

        def stop(done: int, _: int, stop_at: int = stop_at) -> None:
            if done >= stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await read(other_url, archive, progress=stop)
        names = [(each.name, each.time_zone) for each in await on(other_url, _list_all)]
        assert names == [("acme (unfinished import)", "")]
        with pytest.raises(NotFound):
            await write(other_url)
        async with serving(other_url) as server:
            assert (await server.client.get("/metrics")).status_code == 200
    held = await load_rows(other_url, [segments, webhooks])
    assert [row[6] for row in held["segments"]] == ["static"] * ROWS
    assert [bool(row[8]) for row in held["webhooks"]] == [False] * ROWS
    await read(other_url, archive)
    assert [each.name for each in await on(other_url, _list_all)] == ["acme"]
    assert _digests(await write(other_url)) == _digests(archive)


async def _first_name(url: str) -> str:
    return str((await on(url, _list_all))[0].name)


async def _list_all(engine: Engine) -> Any:
    return await Workspaces(engine).list_all()


async def test_what_is_left_can_be_deleted_by_hand(url: str) -> None:
    """It is a workspace whose deletion did not end. A name of that form is not taken over."""
    await insert_marked(url, 1, "acme", 1, "goes")
    await insert_marked(url, 2, "copy (unfinished import)", 1, "stays")
    archive = await write(url)
    with pytest.raises(Conflict, match="rename it"):
        await read(url, archive, "copy")
    await on(url, lambda engine: WorkspaceRemoval(engine, _ignore).delete("copy (unfinished import)"))
    await read(url, archive, "copy")


@contextmanager
def _refused(match: str) -> Iterator[None]:
    with pytest.raises(Misconfigured, match=match):
        yield


def _change(
    archive: bytes,
    name: str,
    change: Callable[[bytes], bytes | None],
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """Return an archive with one file changed, or without it."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(changed, "w", compression) as new:
        for info in old.infolist():
            content = old.read(info)
            result = change(content) if info.filename == name else content
            if result is not None:
                new.writestr(info.filename, result)
    return changed.getvalue()


def _manifest_with(archive: bytes, **members: Any) -> bytes:
    return _change(
        archive,
        "manifest.json",
        lambda content: json.dumps({**json.loads(content), **members}).encode(),
    )


async def test_a_damaged_archive_writes_nothing(url: str, other_url: str) -> None:
    """Everything is verified first, and each refusal is one line."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    archive = await write(url)
    before = await load_rows(other_url)
    middle = len(archive) // 2
    flipped = archive[:middle] + bytes([archive[middle] ^ 0xFF]) + archive[middle + 1 :]
    contacts, tags = "tables/contacts.ndjson", "tables/tags.ndjson"
    entries = json.loads(zipfile.ZipFile(io.BytesIO(archive)).read("manifest.json"))["tables"]
    fewer = [{**entry, "columns": entry["columns"][1:]} for entry in entries]
    cases = {
        "this is no archive of a workspace, or it is damaged": b"id,email\r\n",
        "or it is damaged: ": archive[:-40],
        "damaged: ": flipped,
        "the rows of tags have another digest": _change(
            archive, tags, lambda old: old + old[: old.index(b"\n") + 1]
        ),
        "the rows of contacts have another digest": _change(
            archive, contacts, lambda old: old.replace(b"goes", b"come")
        ),
        "the archive is damaged: contacts: ": _change(
            archive, contacts, lambda old: old.replace(b"[1,", b'["1",')
        ),
        "the archive is damaged: events: ": _change(archive, "tables/events.ndjson", lambda _: None),
        "this is no archive": _change(archive, "manifest.json", lambda _: None),
        "a newer Diglot wrote this archive \\(format 2; this one reads 1\\)": _manifest_with(
            archive, format=2, tables="?"
        ),
        f"at revision r001 of the schema, and this version has {LATEST}": _manifest_with(
            archive, revision="r001"
        ),
        "its tables are not those of its revision": _manifest_with(archive, tables=entries[1:]),
        "the columns of workspace_profiles differ": _manifest_with(archive, tables=fewer),
    }
    for message, damaged in cases.items():
        with _refused(message):
            await read(other_url, damaged)
    assert await load_rows(other_url) == before


@pytest.mark.parametrize("name", ["manifest.json", "tables/tags.ndjson"])
async def test_a_bomb_is_not_unpacked(url: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A line, or a manifest, of any length is refused after as many bytes as one may have."""
    monkeypatch.setattr(archive_file, "MAX_LINE_BYTES", 1 << 20)
    await insert_marked(url, 1, "acme", 1, "goes")
    bomb = _change(await write(url), name, lambda _: b"[" + b" " * (64 << 20) + b"]", zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with _refused("is longer than 1048576 bytes"):
            list(archive_file.ArchiveReader(io.BytesIO(bomb)).verify())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


async def test_a_manifest_that_lies_about_its_size(url: str) -> None:
    """The size in the directory is a claim of the file, so the manifest is read with a limit all the same."""
    await insert_marked(url, 1, "acme", 1, "goes")
    bomb = _change(await write(url), "manifest.json", lambda _: b" " * (64 << 20), zipfile.ZIP_DEFLATED)
    lied = bomb.replace((64 << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lied != bomb
    tracemalloc.start()
    try:
        with _refused("this is no archive of a workspace, or it is damaged"):
            archive_file.ArchiveReader(io.BytesIO(lied))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def _forge(archive: bytes, table: str, change: Callable[[list[Any]], list[Any]]) -> bytes:
    """Return an archive with other rows in a table, whose manifest has the right digests."""
    rows: list[Any] = []

    def replace_rows(content: bytes) -> bytes:
        rows.extend(change([json.loads(line) for line in content.splitlines()]))
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    changed = _change(archive, f"tables/{table}.ndjson", replace_rows)
    content = zipfile.ZipFile(io.BytesIO(changed)).read(f"tables/{table}.ndjson")
    tables = json.loads(zipfile.ZipFile(io.BytesIO(archive)).read("manifest.json"))["tables"]
    (entry,) = (one for one in tables if one["name"] == table)
    entry |= {"rows": len(rows), "sha256": hashlib.sha256(content).hexdigest()}
    return _manifest_with(changed, tables=tables)


def _forge_cell(archive: bytes, table: str, column: str, value: Any) -> bytes:
    """Return an archive with another value in the last row of a table."""
    place = next(one for one in ARCHIVED if one.name == table).columns.index(column)

    def change(rows: list[Any]) -> list[Any]:
        rows[-1][place] = value
        return rows

    return _forge(archive, table, change)


DEEP = 10_000 * "[" + 10_000 * "]"
NAMES_AN_ID = (
    '{"type":"predicate","field":"segments","op":"in","operand":{"type":"values","values":'
    '[{"type":"text","value":"an id"}]}}'
)


async def _load_what_is_there(url: str) -> dict[str, list[Any]]:
    """Return all rows but those that keep the numbers of deleted workspaces."""
    rows = await load_rows(url)
    profiles = rows["workspace_profiles"]
    return {**rows, "workspace_profiles": [row for row in profiles if not row[1].startswith("\x7f")]}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("contacts.first_name", "a\0b", "contacts: a text has the character U\\+0000"),
        ("contacts.created_at", 2**63, "contacts: "),
        ("contacts.created_at", -(2**63) - 1, "contacts: "),
        ("lists.list", 2**31, "lists: "),
        ("contacts.status", "asleep", "contacts: Invalid enum value 'asleep'"),
        ("segments.type", "elastic", "segments: Invalid enum value 'elastic'"),
        ("contacts.tags", '["a"', "contacts: tags: Input data was truncated"),
        ("contacts.tags", '{"a": 1}', "contacts: tags: Expected `array`, got `object`"),
        ("contacts.attributes", "[]", "contacts: attributes: Expected `object`, got `array`"),
        (
            "contacts.attributes",
            '{"a":' + DEEP + "}",
            "contacts: attributes: maximum rec",
        ),
        ("segments.tree", '{"type":"Never"}', "segments: tree: Invalid value 'Never'"),
        ("segments.expanded", "{}", "segments: expanded: Object missing required field `type`"),
        ("segments.expanded", NAMES_AN_ID, "segments: expanded: invalid literal for int"),
        ("workspaces.event_days", -1, "workspaces: Expected `int` >= 0"),
        ("segments.invalid", "{}", "segments: invalid: Expected `array`, got `object`"),
        ("workspaces.time_zone", "Mars/Olympus", "unknown time zone 'Mars/Olympus'"),
        ("workspace_profiles.time_zone", "", "unknown time zone ''"),
        ("list_members.pk", 99, "list_members: the database refuses rows"),
    ],
)
async def test_a_forged_value(url: str, other_url: str, cell: str, value: Any, message: str) -> None:
    """The digests are right, so the rows themselves are checked; nothing is left of a refused archive."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    before = await _load_what_is_there(other_url)
    table, _, column = cell.partition(".")
    forged = _forge_cell(await write(url), table, column, value)
    with _refused(f"^the archive is damaged: {message}"):
        await read(other_url, forged)
    assert await _load_what_is_there(other_url) == before


async def test_a_text_about_a_character(url: str, other_url: str) -> None:
    """The escape of U+0000 is text like any other."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    archive = _forge_cell(await write(url), "contacts", "first_name", "\\u0000")
    await read(other_url, archive)
    assert _digests(await write(other_url)).keys() == _digests(archive).keys()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("table", ["contacts", "tags", "workspaces", "workspace_profiles"])
async def test_a_forged_row(url: str, other_url: str, table: str) -> None:
    """A row that is there twice is refused, also if the first parts are written by then."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    before = await _load_what_is_there(other_url)
    forged = _forge(await write(url), table, lambda rows: [*rows, rows[0]])
    with _refused("^the archive is damaged: "):
        await read(other_url, forged)
    assert await _load_what_is_there(other_url) == before


def _set_in_directory(archive: bytes, name: str, place: int, value: int) -> bytes:
    """Return an archive with another number of two bytes in the entry of a file, and in its own header."""
    changed = bytearray(archive)
    for mark, name_at, at in ((b"PK\1\2", 46, place), (b"PK\3\4", 30, place - 2)):
        start = changed.index(mark)
        while changed[start + name_at : start + name_at + len(name)] != name.encode():
            start = changed.index(mark, start + 1)
        changed[start + at : start + at + 2] = value.to_bytes(2, "little")
    return bytes(changed)


@pytest.mark.parametrize("name", ["manifest.json", "tables/tags.ndjson"])
async def test_a_file_that_cannot_be_unpacked(url: str, other_url: str, name: str) -> None:
    """An encrypted file, and one that is packed by a method without a limit or by none that exists."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    archive = await write(url)
    before = await load_rows(other_url)
    packed = _change(archive, name, lambda content: content, zipfile.ZIP_BZIP2)
    for damaged in (
        _set_in_directory(archive, name, 8, 1),
        _set_in_directory(archive, name, 10, 99),
        packed,
    ):
        with _refused("damaged: "):
            await read(other_url, damaged)
    assert await load_rows(other_url) == before


@pytest.mark.parametrize("format_", [0, -1])
async def test_a_format_that_never_was(url: str, format_: int) -> None:
    """The first format is 1."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    with _refused(f"it has the format {format_}"):
        await read(url, _manifest_with(await write(url), format=format_), "copy")


async def test_a_table_is_listed_once(url: str) -> None:
    """Which of two entries counts would be a guess."""
    await insert_marked(url, 1, "acme", ROWS, "goes")
    archive = await write(url)
    tables = json.loads(zipfile.ZipFile(io.BytesIO(archive)).read("manifest.json"))["tables"]
    with _refused("a table is listed twice"):
        await read(url, _manifest_with(archive, tables=[*tables, tables[0]]), "copy")


async def test_a_table_of_one_row_has_one(url: str) -> None:
    """The digests are those of the rows, whatever they are, so a forged archive is refused later."""
    await insert_marked(url, 1, "acme", 1, "goes")
    archive = archive_file.ArchiveReader(io.BytesIO(await write(url)))
    tags = next(table for table in ARCHIVED if table.name == "tags")
    assert archive.read_only_row(tags)["id"] == "goes id 1 1"
    empty = _change(await write(url), "tables/tags.ndjson", lambda _: b"")
    with _refused("tags has 0 rows"):
        archive_file.ArchiveReader(io.BytesIO(empty)).read_only_row(tags)


def test_what_is_held_leaves_nothing_to_do() -> None:
    """Background work looks for dynamic, pending and due segments, and for active webhooks."""
    assert {table.name: {**values} for table, values in HELD.items()} == {
        "segments": {"type": "static", "members": 0, "next_change_at": 2**62},
        "webhooks": {"active": False, "leased_until": 2**62},
    }


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command."""
    return command_runner(capsys, monkeypatch)


def test_the_commands(diglot: Run, url: str, tmp_path: Path) -> None:
    """One writes a file, the other reads it, and checks what it made."""
    file = str(tmp_path / "acme.zip")
    database = ("--database", url)

    async def fill() -> str:
        async with serving(url, now=system_clock() - 10 * DAY) as server:
            await _fill(server)
        return await _first_name(url)

    name = asyncio.run(fill())
    written = diglot("workspaces", "export", name, file, *database)
    assert (written.code, written.out) == (0, ""), written.err
    assert f"has {name} with 10 contacts, " in written.err
    assert Path(file).stat().st_mode & 0o777 == 0o600
    again = diglot("workspaces", "export", name, file, *database)
    assert (again.code, "exists already" in again.err) == (2, True)
    unknown = diglot("workspaces", "export", "none", f"{file}2", *database)
    assert (unknown.code, unknown.err) == (2, "diglot: there is no such workspace none\n")
    assert not Path(f"{file}2").exists()
    imported = diglot("workspaces", "import", file, "--as", "copy", *database)
    assert (imported.code, imported.out) == (0, ""), imported.err
    assert "copy is there with 10 contacts. `diglot keys create` makes keys for it.\n" in imported.err
    taken = diglot("workspaces", "import", file, *database)
    assert (taken.code, taken.err.splitlines()[-1]) == (
        2,
        f"diglot: there is a workspace {name} already: import it under another name",
    )
    named = diglot("workspaces", "import", file, "--as", "", *database)
    assert (named.code, "printable characters" in named.err) == (2, True)
    none = diglot("workspaces", "import", f"{file}3", *database)
    assert none.code == 2


def test_import_reads_an_archive(diglot: Run, url: str, tmp_path: Path) -> None:
    """`diglot import` makes the workspace that its option names, and takes none of the options for tables."""
    file, database = tmp_path / "acme.zip", ("--database", url)

    async def fill() -> str:
        async with serving(url, now=NOW) as server:
            misar, _ = await dialect_clients(server)
            await misar.request("POST", "/contacts", {"email": "ada@example.com"}, 201)
        return await _first_name(url)

    name = asyncio.run(fill())
    file.write_bytes(asyncio.run(write(url, name)))
    every = ("import", str(file), "--workspace", "copy", *database)
    refused = diglot(*every, "--map", "a=email", "--tag", "x", "--skip-existing", "--dry-run")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
    said = "acme.zip is an archive of a workspace, which is read as it is: leave out --map, --tag, "
    assert f"{said}--skip-existing, --dry-run" in refused.err
    assert [one.name for one in asyncio.run(on(url, _list_all))] == [name]
    imported = diglot(*every)
    assert "copy is there with 1 contact. `diglot keys create` makes keys for it.\n" in imported.err
    assert sorted(one.name for one in asyncio.run(on(url, _list_all))) == sorted([name, "copy"])
    taken = diglot(*every)
    assert (taken.code, taken.err.splitlines()[-1]) == (
        2,
        "diglot: there is a workspace copy already: import it under another name",
    )
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr("people.csv", "email\r\nada@example.com\r\n")
    none = diglot("import", str(other), "--workspace", "copy", *database)
    assert (none.code, none.out) == (2, "")
    assert none.err.splitlines()[-1].startswith("diglot: other.zip is not imported: ")


def test_a_finding_is_told(diglot: Run, url: str, tmp_path: Path) -> None:
    """A count that is wrong where the archive comes from is wrong here too, and the command says so."""

    async def miscount(transaction: Transaction) -> None:
        await transaction.execute(Statement(update(workspaces).values(contact_count=99)))

    async def fill() -> str:
        async with serving(url, now=system_clock() - 10 * DAY) as server:
            await _fill(server)
        await on(url, lambda engine: engine.write(miscount))
        return await _first_name(url)

    file = tmp_path / "acme.zip"
    file.write_bytes(asyncio.run(write(url, asyncio.run(fill()))))
    found = diglot("workspaces", "import", str(file), "--as", "copy", "--database", url)
    assert (found.code, found.out) == (1, "workspace copy: contact_count is 99, but there are 10\n")


def test_an_address_that_would_be_refused_is_told(diglot: Run, url: str, tmp_path: Path) -> None:
    """An archive equals its workspace, so it keeps values that writes refuse; the command lists them."""

    async def fill() -> str:
        async with serving(url, now=NOW) as server:
            misar, _ = await dialect_clients(server)
            await misar.request("POST", "/contacts", {"email": "ada@example.com"}, 201)
        return await _first_name(url)

    file, name = tmp_path / "acme.zip", asyncio.run(fill())
    file.write_bytes(_forge_cell(asyncio.run(write(url, name)), "contacts", "email", "ada@example"))
    found = diglot("workspaces", "import", str(file), "--as", "copy", "--database", url)
    assert found.code == 1
    assert found.out.startswith("workspace copy: 1 contact has an address that is refused now: "), found.out
