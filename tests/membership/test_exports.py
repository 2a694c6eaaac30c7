"""Exports: the members of one snapshot as a file, read page by page, and read back by an import."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from diglot.service.exports import exports
from diglot.service.exports.cells import escape_formula
from diglot.service.exports.columns import ALL_FIELDS
from support.commands import Run, command_runner
from support.servers.api_clients import Misar, Topmail, dialect_clients
from support.servers.chunk_reader import ChunkReader
from support.servers.in_process import Server, bearer, serving

PATH = "/mail/v1/export"
NOW = 1_790_000_000_123_456
MEMBERS = 25
PAGE = 4
CLIENTS = 30
EVERYBODY = {"operator": "AND", "rules": [{"field": "email", "operator": "contains", "value": "@"}]}
# Values that a file could change on its way: separators, quotes, lines, formulas, types.
PEOPLE: list[dict[str, Any]] = [
    {
        "email": "all@example.com",
        "first_name": 'Ada, "the" Countess; of\nLovelace',
        "last_name": "=SUM(A1)",
        "phone": "+49 30 1",
        "company": "@home",
        "job_title": "-",
        "source": "a\ttab",
        "status": "bounced",
        "tags": ["vip", "2024, spring", 'say "hi"', "a;b", '"quoted"', "Größe"],
        "engagement_score": 80.5,
        "lead_score": 0.0000001,
        "total_opens": 3,
        "total_spent": 1234567.89,
        "last_opened_at": "2026-01-02T03:04:05.678901Z",
        "custom_fields": {
            "plan": "pro",
            "seats": 12,
            "price": 1.50,
            "beta": True,
            "zip": "00123",
            "langs": ["en", "f,r"],
            "address": {"city": "São Paulo", "lines": ["1", 2, None]},
            "a,b": 'x"y',
            "say;so": "1e5",
            "huge": 9223372036854775807,
        },
    },
    {"email": "none@example.com"},
    {"email": "gone@example.com", "status": "unsubscribed", "custom_fields": {"plan": "free"}},
]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CONTACTS_PER_PAGE", PAGE)
    monkeypatch.setattr(exports, "ATTRIBUTES_PER_PAGE", PAGE)


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own."""
    async with serving(url, now=NOW) as server:
        yield server


@dataclass
class Stage:
    """A segment of everybody, and a client of each dialect."""

    server: Server
    misar: Misar
    topmail: Topmail
    segment: str

    def reader(self, query: str, **more: Any) -> ChunkReader:
        """Return a reader of an export."""
        return ChunkReader(self.server, PATH, self.misar.key, query.encode(), **more)

    async def read(self, query: str) -> bytes:
        """Return the file of an export."""
        reader = self.reader(query)
        await reader.read()
        return reader.body


@pytest_asyncio.fixture
async def stage(server: Server) -> Stage:
    """Create the members and their segment."""
    misar, topmail = await dialect_clients(server)
    assert isinstance(topmail, Topmail)
    rows = [{"email": f"{number}@example.com"} for number in range(MEMBERS)]
    await misar.request("POST", "/contacts/import", {"contacts": rows})
    return Stage(server, misar, topmail, (await misar.create("everybody", EVERYBODY))["id"])


def emails(file: bytes) -> list[str]:
    """Return the addresses in a table."""
    return [row["email"] for row in csv.DictReader(io.StringIO(file.decode(), newline=""))]


@pytest.mark.parametrize("of", ["segment_id={0}&", ""])
async def test_the_members_are_those_of_one_change(stage: Stage, of: str) -> None:
    """Later changes of the membership do not show; changed values do, and deleted contacts are left out."""
    first, doomed, changed = (f"{number}@example.com" for number in (MEMBERS - 1, 3, 1))
    page = (await stage.misar.request("GET", "/contacts?limit=100"))["data"]
    ids = {item["email"]: item["id"] for item in page}

    async def change(chunk: int) -> None:
        if chunk == 2:
            await stage.misar.request("DELETE", f"/contacts/{ids[doomed]}")
            await stage.misar.request("POST", "/contacts", {"email": "new@example.com"}, 201)
            await stage.misar.request("PATCH", f"/contacts/{ids[changed]}", {"company": "New"})
            await stage.misar.request("PATCH", f"/contacts/{ids[first]}", {"company": "Late"})

    query = f"{of}columns=email,company".format(stage.segment)
    reader = stage.reader(query, before_chunk=change)
    await reader.read()
    assert emails(reader.body) == [item["email"] for item in page if item["email"] != doomed]
    assert b"New" in reader.body
    assert b"Late" not in reader.body
    assert reader.headers[b"diglot-as-of"] == b"%d" % MEMBERS
    assert reader.headers[b"diglot-count"] == b"%d" % MEMBERS
    assert (b"diglot-revision" in reader.headers) == bool(of)
    assert len(reader.chunks) > MEMBERS // PAGE
    assert emails(await stage.read(query))[0] == "new@example.com"


@pytest.mark.parametrize("query", ["format=csv&columns=email", "format=ndjson&columns=email"])
async def test_no_part_is_empty(stage: Stage, query: str) -> None:
    """An empty chunk would end the response: also if all contacts of a page are gone."""
    page = (await stage.misar.request("GET", "/contacts?limit=100"))["data"]

    async def delete(chunk: int) -> None:
        if chunk == 1:
            ids = [item["id"] for item in page[-12:-2]]
            await stage.misar.request("DELETE", "/contacts/bulk", {"ids": ids})

    reader = stage.reader(query, before_chunk=delete)
    await reader.read()
    assert all(reader.chunks[:-1])
    assert reader.body.count(b"@") == MEMBERS - 10


async def test_a_static_segment_has_its_members(stage: Stage) -> None:
    """Its members are the stored ones, whatever they match."""
    page = (await stage.misar.request("GET", "/contacts?limit=3"))["data"]
    static = await stage.misar.create("by hand", EVERYBODY, segment_type="static")
    body = {"action": "set", "contactIds": [item["id"] for item in page]}
    path = f"/io/contacts/segments/{static['id']}/members"
    headers = bearer(stage.misar.key)
    assert (await stage.server.client.post(path, json=body, headers=headers)).status_code == 200
    file = await stage.read(f"segment_id={static['id']}&columns=email")
    assert emails(file) == [item["email"] for item in page]


async def test_no_connection_is_held_for_a_slow_client(stage: Stage) -> None:
    """Between two pages every reader of the pool is free, also for many slow clients."""
    stopped, all_stopped, go_on = [], asyncio.Event(), asyncio.Event()

    async def wait(chunk: int) -> None:
        if chunk == 2:
            stopped.append(chunk)
            if len(stopped) == CLIENTS:
                all_stopped.set()
            await go_on.wait()

    readers = [stage.reader("", before_chunk=wait) for _ in range(CLIENTS)]
    tasks = [asyncio.ensure_future(reader.read()) for reader in readers]
    async with asyncio.timeout(60):
        await all_stopped.wait()
        assert (await stage.misar.request("GET", "/contacts?limit=1"))["data"]
        go_on.set()
        await asyncio.gather(*tasks)
    assert {len(emails(reader.body)) for reader in readers} == {MEMBERS}


async def test_an_address_leaves_as_it_was_sent(stage: Stage) -> None:
    """The form with A-labels only serves comparisons (semantics 23)."""
    sent = "Bob@Bücher.example"
    await stage.misar.request("POST", "/contacts", {"email": sent}, 201)
    assert emails(await stage.read("columns=email"))[0] == sent
    assert json.loads((await stage.read("format=ndjson&columns=email")).split(b"\n")[0]) == {"email": sent}


async def test_too_many_attributes_have_to_be_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of all attributes has as many columns as an import reads; lines of JSON have no such limit."""
    monkeypatch.setattr(exports, "MAX_ATTRIBUTES", 2)
    named = {"custom_fields": {"a": 1, "b": 2}}
    await stage.misar.request("POST", "/contacts", {"email": "two@example.com", **named}, 201)
    assert (await stage.read("")).partition(b"\r\n")[0].endswith(b",lists,attributes.a,attributes.b")
    named = {"custom_fields": {"c": 3}}
    await stage.misar.request("POST", "/contacts", {"email": "one@example.com", **named}, 201)
    answer = await stage.server.client.get(PATH, headers=bearer(stage.misar.key))
    assert answer.status_code == 400
    fault = "More than 2 custom attributes are in use: name the columns"
    assert answer.json()["details"]["fieldErrors"] == {"columns": [fault]}
    assert (await stage.read("format=ndjson")).count(b"\n") == MEMBERS + 2
    assert emails(await stage.read("columns=email,attributes.c"))


async def _contacts(client: Misar) -> list[dict[str, Any]]:
    """Return all contacts without what a new contact has of its own."""
    found = (await client.request("GET", "/contacts?limit=100"))["data"]
    own = ("id", "updated_at")
    return sorted(
        ({key: value for key, value in item.items() if key not in own} for item in found),
        key=lambda item: str(item["email"]),
    )


async def _copy(server: Server) -> Misar:
    """Return a client of a workspace to import into, an hour later."""
    server.now += 3_600_000_000
    key = await server.key("misar", "copy", ("contacts",))
    origin, _ = await dialect_clients(server)
    return Misar(server.client, key, origin.prefix, origin.member, origin.words)


async def _import_table(server: Server, copy: Misar, file: bytes) -> None:
    headers = {**bearer(copy.key), "Content-Type": "text/csv"}
    answer = await server.client.post("/mail/v1/contacts/import", headers=headers, content=file)
    assert answer.status_code == 200, answer.text
    assert answer.json()["errors"] == []


@pytest.mark.parametrize(("dialect", "container"), [("misar", "custom_fields"), ("topmail", "attributes")])
async def test_a_table_is_imported_to_equal_contacts(server: Server, dialect: str, container: str) -> None:
    """With all attributes in one column, an import makes every field equal, to the type of each attribute."""
    origin, topmail = await dialect_clients(server)
    await origin.request("POST", "/contacts/import", {"contacts": PEOPLE})
    columns = "columns=" + ",".join((*ALL_FIELDS, "subscribed", container))
    path = f"{origin.prefix if dialect == 'misar' else topmail.prefix}/export?{columns}"
    key = origin.key if dialect == "misar" else topmail.key
    exported = await server.client.get(path, headers=bearer(key))
    assert exported.status_code == 200, exported.text
    copy = await _copy(server)
    await _import_table(server, copy, exported.content)
    before = await _contacts(origin)
    assert len(before) == len(PEOPLE)
    assert await _contacts(copy) == before
    assert before[0]["custom_fields"]["address"] == PEOPLE[0]["custom_fields"]["address"]


async def test_a_column_for_each_attribute_is_imported_as_text(server: Server) -> None:
    """Fields are equal, attributes equal but for their type: the import reads every cell as text."""
    origin, _ = await dialect_clients(server)
    await origin.request("POST", "/contacts/import", {"contacts": PEOPLE})
    exported = await server.client.get(PATH, headers=bearer(origin.key))
    copy = await _copy(server)
    await _import_table(server, copy, exported.content)
    before, after = await _contacts(origin), await _contacts(copy)
    for item in before:
        item["custom_fields"] = {
            key: value
            if isinstance(value, str)
            else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            for key, value in sorted(item["custom_fields"].items())
        }
    assert after == before


async def test_lines_are_imported_to_equal_contacts(server: Server) -> None:
    """Lines of JSON keep every type."""
    origin, _ = await dialect_clients(server)
    await origin.request("POST", "/contacts/import", {"contacts": PEOPLE})
    exported = await server.client.get(f"{PATH}?format=ndjson", headers=bearer(origin.key))
    rows = [json.loads(line) for line in exported.text.splitlines()]
    assert list(rows[0]) == [*ALL_FIELDS, "attributes"]
    copy = await _copy(server)
    answer = await copy.request("POST", "/contacts/import", {"contacts": rows})
    assert answer["errors"] == []
    assert await _contacts(copy) == await _contacts(origin)


@pytest.mark.parametrize(
    "begin", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u00a0 +", "\n=", "\u2003@", " \n-"]
)
def test_what_begins_a_formula_is_escaped(begin: str) -> None:
    """Only the first character counts, and the first one after white space, which spreadsheets pass over."""
    assert escape_formula(f"{begin}1") == f"'{begin}1"
    assert escape_formula(f"1{begin}") == f"1{begin}"
    assert escape_formula("") == ""
    assert escape_formula(" 1 = 1") == " 1 = 1"


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command."""
    return command_runner(capsys, monkeypatch)


def test_the_command_writes_the_same_file(diglot: Run, url: str, tmp_path: Any) -> None:
    """It writes to standard output or into a new file, and says on standard error what that is."""

    async def prepare() -> tuple[str, bytes]:
        async with serving(url, now=NOW) as server:
            origin, _ = await dialect_clients(server)
            await origin.request("POST", "/contacts/import", {"contacts": PEOPLE})
            segment = await origin.create("everybody", EVERYBODY)
            path = f"{PATH}?segment_id={segment['id']}&formulas=escape"
            return segment["id"], (await server.client.get(path, headers=bearer(origin.key))).content

    segment, expected = asyncio.run(prepare())
    workspace = diglot("workspaces", "list", "--database", url).out.split("\t")[0]
    every = ("export", "--database", url, "--workspace", workspace)
    run = diglot(*every, "--segment", segment, "--escape-formulas")
    assert (run.code, run.err) == (0, "3 contacts, as of change 3, at revision 1 of its rules.\n")
    assert run.out.replace("\r\n", "\n") == expected.decode().replace("\r\n", "\n")
    file = tmp_path / "all.ndjson"
    written = diglot(
        *every, "--format", "ndjson", "--columns", "email,attributes.plan", "--output", str(file)
    )
    assert (written.code, written.out, written.err) == (0, "", "3 contacts, as of change 3.\n")
    assert file.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert lines[0] == {"email": "gone@example.com", "attributes": {"plan": "free"}}
    for options, fault in (
        (("--output", str(file)), "exists already: name a new file"),
        (("--output", f"{tmp_path}/none/file"), "cannot be written"),
        (("--segment", segment, "--list", segment), "--segment and --list exclude each other"),
        (("--list", segment), "there is no such list"),
        (("--columns", "nothing"), "There is no field 'nothing'"),
        (("--format", "ndjson", "--escape-formulas"), "only CSV has cells that a spreadsheet computes"),
    ):
        refused = diglot(*every, *options)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
        assert fault in refused.err
    unknown = diglot("export", "--database", url, "--workspace", "none")
    assert (unknown.code, unknown.err) == (2, "diglot: there is no such workspace none\n")
