"""Remembered answers about segments: none is older than the last acknowledged write of any process."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from random import Random
from typing import Any

import httpx
import pytest
import pytest_asyncio

from diglot.api.call import SERVICES
from diglot.caches import ProcessCache
from support.engines import Database
from support.reporting import SEED, Tally
from support.servers.in_process import Server, bearer, serving
from support.servers.process import running
from support.statements import recording

NOW = 1_772_366_400_000_000
SECOND, DAY = 1_000_000, 86_400_000_000
LOOPS = 30
EMAILS = [f"{name}@example.com" for name in ("ada", "bob", "cem", "dan")]
TAGS = ("vip", "new")
CRITERIA = {"operator": "AND", "rules": [{"field": "tags", "operator": "contains", "value": "vip"}]}
# A text that looks like the time of the count.
TIME = '"count_as_of":"2026-03-01T12:00:00Z"'
ODD = {"operator": "AND", "rules": [{"field": "email", "operator": "not_equals", "value": TIME}]}
UNKNOWN = {"operator": "AND", "rules": [{"field": "plan", "operator": "equals", "value": "pro"}]}
RELATIVE = {
    "operator": "OR",
    "rules": [
        {"field": "last_opened_at", "operator": "in_last_days", "value": 1},
        {"field": "tags", "operator": "contains", "value": "new"},
    ],
}
_AS_OF = re.compile(rb'"count_as_of":"[^"]*"')


class Pair:
    """Two servers on one database, each with its own caches, and the segments that both read."""

    def __init__(self, servers: list[Server], rng: Random) -> None:
        self.servers, self.rng = servers, rng
        self.headers: dict[str, Mapping[str, str]] = {}
        self.segments: list[str] = []
        self.contacts: list[str] = []

    async def prepare(self) -> None:
        """Create keys, a static segment and one for each kind of rules."""
        self.headers = {
            name: bearer(await self.servers[0].key(name, "acme")) for name in ("misar", "topmail")
        }
        for criteria in (CRITERIA, ODD, UNKNOWN, RELATIVE, CRITERIA):
            kind = "static" if len(self.segments) == 4 else "dynamic"
            body = {"name": f"s{len(self.segments)}", "segment_type": kind, "filter_criteria": criteria}
            answer = await self._send(self.servers[0], "POST", "/mail/v1/segments", body)
            assert answer.status_code == 201, answer.text
            self.segments.append(answer.json()["data"]["id"])

    async def _send(self, server: Server, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = self.headers["topmail" if path.startswith("/api") else "misar"]
        return await server.client.request(method, path, json=body, headers=headers)

    async def write(self) -> None:
        """Do a random write through one of the servers."""
        rng, server = self.rng, self.rng.choice(self.servers)
        segment = f"/segments/{rng.choice(self.segments)}"
        contact: dict[str, Any] = {"email": rng.choice(EMAILS), "tags": rng.sample(TAGS, rng.randint(0, 2))}
        if self.contacts and not rng.randrange(8):
            contact["custom_fields"] = {"plan": "pro"}
        writes: list[tuple[str, str, Any]] = [
            ("POST", "/mail/v1/contacts/import", {"contacts": [contact]}),
            ("POST", "/mail/v1/contacts/import", {"contacts": [contact]}),
            ("PATCH", f"/mail/v1{segment}", {"name": rng.choice("abc")}),
            (
                "PATCH",
                f"/mail/v1{segment}",
                {"filter_criteria": rng.choice((CRITERIA, ODD, UNKNOWN, RELATIVE))},
            ),
            ("POST", f"/mail/v1{segment}/refresh", None),
            ("DELETE", f"/api/v1/contacts/{rng.choice(self.contacts or ['x'])}", None),
            (
                "POST",
                f"/mail/v1/segments/{self.segments[-1]}/members",
                {"action": "set", "contactIds": rng.sample(self.contacts, min(2, len(self.contacts)))},
            ),
        ]
        await self._send(server, *rng.choice(writes))
        page = await self._send(server, "GET", "/mail/v1/contacts?limit=100")
        self.contacts = [row["id"] for row in page.json()["data"]]

    def paths(self) -> list[tuple[str, str]]:
        """Return the calls whose answers are remembered, for each segment."""
        result = []
        for id_ in self.segments:
            result += [
                ("GET", f"/mail/v1/segments/{id_}"),
                ("GET", f"/mail/segments/{id_}"),
                ("GET", f"/io/contacts/segments/{id_}"),
                ("GET", f"/api/v1/segments/{id_}"),
                ("POST", f"/api/v1/segments/{id_}/estimate"),
                ("GET", f"/mail/v1/segments/{id_}/members?limit=3"),
                ("GET", f"/mail/v1/segments/{id_}/members?limit=3&page=2"),
            ]
        return result

    async def compare(self) -> int:
        """Read everything from both servers, as remembered and anew; return the number of reads."""
        reads = 0
        for server in self.servers:
            for method, path in self.paths():
                first, again = [await self._send(server, method, path) for _ in range(2)]
                _cache_of(server).clear()
                anew = await self._send(server, method, path)
                for answer in (first, again):
                    assert answer.status_code == anew.status_code == 200, (path, answer.text, anew.text)
                    assert answer.content == anew.content, path
                    assert answer.headers.get("diglot-as-of") == anew.headers.get("diglot-as-of")
                await self._send(server, method, path)
                reads += 3
        return reads


def _cache_of(server: Server) -> ProcessCache:
    cache: ProcessCache = server.app._app.state[SERVICES].segments.engine.process_cache
    return cache


@pytest_asyncio.fixture
async def pair(database: Database, pytestconfig: pytest.Config) -> AsyncIterator[Pair]:
    """Serve a fresh database twice."""
    async with database.fresh() as url, AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(url, now=NOW)) for _ in range(2)]
        lent = Pair(servers, Random(pytestconfig.stash[SEED]))
        await lent.prepare()
        yield lent


async def test_a_remembered_answer_is_what_a_read_finds(
    pair: Pair, tally: Tally, database: Database, pytestconfig: pytest.Config
) -> None:
    """After each write of either process, both answer as if they remembered nothing, while time passes."""
    print(f"--random-seed {pytestconfig.stash[SEED]}")
    reads = 0
    for _ in range(pytestconfig.getoption("remembered_writes")):
        await pair.write()
        step = pair.rng.choice((0, 1, SECOND, 30 * SECOND, DAY, -SECOND, -90 * SECOND))
        for server in pair.servers:
            server.now += step
        reads += await pair.compare()
    tally("reads of remembered answers after writes", database.name, reads)


async def test_the_answers_of_the_calls_are_remembered(pair: Pair, database: Database) -> None:
    """An answer that follows from the row takes one statement for the key and one for the segment.

    An embedded database needs none while nobody has committed.
    """
    (server, _), id_ = pair.servers, pair.segments[0]
    for method, path in pair.paths()[:7]:
        first = await pair._send(server, method, path)
        server.now += SECOND
        with recording() as statements:
            again = await pair._send(server, method, path)
        assert len(statements) <= (0 if database.name == "sqlite" else 2), (path, statements)
        assert _AS_OF.sub(b"", first.content) == _AS_OF.sub(b"", again.content)
        if b"count_as_of" in first.content:
            assert first.content != again.content, "the time of a count is that of its own read"
    assert id_ in first.text


async def test_an_answer_without_a_count_needs_no_log_rows(pair: Pair) -> None:
    """A process that only shows segments to Topmail's clients reads no log."""
    server, path = pair.servers[1], f"/api/v1/segments/{pair.segments[0]}"
    row = {"email": "eve@example.com", "tags": ["vip"]}
    await pair._send(pair.servers[0], "POST", "/mail/v1/contacts/import", {"contacts": [row]})
    for _ in range(2):
        with recording() as statements:
            assert (await pair._send(server, "GET", path)).status_code == 200
        assert len(statements) <= 2, statements


async def test_what_a_client_sent_is_not_taken_for_the_time_of_the_count(pair: Pair) -> None:
    """The rules are shown as they were sent, also if a text in them looks like that time."""
    server, id_ = pair.servers[0], pair.segments[1]
    answers = []
    for _ in range(2):
        answers.append((await pair._send(server, "GET", f"/mail/v1/segments/{id_}")).json()["data"])
        server.now += SECOND
    assert answers[0].pop("count_as_of") != answers[1].pop("count_as_of")
    assert answers[0] == answers[1]
    assert answers[0]["filter_criteria"] == ODD


async def test_a_warning_about_an_unknown_field_is_not_remembered(pair: Pair) -> None:
    """It is wrong from the first contact with the attribute on, whichever process wrote it."""
    path = f"/mail/v1/segments/{pair.segments[2]}"
    for server in pair.servers:
        for _ in range(2):
            (warning,) = (await pair._send(server, "GET", path)).json()["data"]["warnings"]
            assert warning["code"] == "unknown_field"
    # The contact matches no segment, and none of them mentions its other fields.
    row = {"email": "eve@example.com", "custom_fields": {"plan": "free"}}
    await pair._send(pair.servers[0], "POST", "/mail/v1/contacts/import", {"contacts": [row]})
    for server in pair.servers:
        assert (await pair._send(server, "GET", path)).json()["data"]["warnings"] == []


async def test_a_page_that_time_has_changed_is_not_remembered(pair: Pair) -> None:
    """Until the clock of the workspace follows, the stored members are not those of now."""
    server, path = pair.servers[0], f"/mail/v1/segments/{pair.segments[3]}/members"
    row = {"email": "eve@example.com", "last_opened_at": "2026-03-01T12:00:00Z"}
    await pair._send(server, "POST", "/mail/v1/contacts/import", {"contacts": [row]})
    assert len((await pair._send(server, "GET", path)).json()["data"]["contact_ids"]) == 1
    server.now += 2 * DAY
    for _ in range(2):
        assert (await pair._send(server, "GET", path)).json()["data"]["contact_ids"] == []


async def test_long_rules_and_long_pages_are_not_remembered(pair: Pair) -> None:
    """A few of them would fill the memory of a process."""
    server = pair.servers[0]
    rules = [{"field": "email", "operator": "not_equals", "value": f"{i}@example.com"} for i in range(200)]
    body = {"filter_criteria": {"operator": "AND", "rules": rules}}
    path = f"/mail/v1/segments/{pair.segments[0]}"
    await pair._send(server, "GET", path)
    known = _cache_of(server).by_name()["known segments"]
    assert (before := known.weight) > 0
    assert (await pair._send(server, "PATCH", path, body)).status_code == 200
    for _ in range(3):
        assert (await pair._send(server, "GET", path)).status_code == 200
        assert (await pair._send(server, "GET", f"{path}/members")).status_code == 200
    assert known.weight == before


async def test_a_transaction_remembers_nothing(pair: Pair) -> None:
    """A request with an idempotency key runs in a transaction, which may be rolled back."""
    path = f"/api/v1/segments/{pair.segments[0]}/estimate"
    server = pair.servers[0]
    answer = await server.client.post(path, headers={**pair.headers["topmail"], "idempotency-key": "one"})
    assert answer.status_code == 200
    assert "known segments" not in _cache_of(server).by_name()


async def test_two_processes_never_answer_from_before_a_write(database: Database, tally: Tally) -> None:
    """Whatever one process has acknowledged, the other shows at once, while both remember and others read."""
    async with (
        database.fresh() as url,
        running(url, "--rate-limits", "off") as one,
        running(url, "--rate-limits", "off") as other,
        httpx.AsyncClient() as client,
    ):
        keys = await _create_keys(url)

        async def send(base: str, method: str, path: str, body: Any = None) -> Any:
            headers = bearer(keys["topmail" if path.startswith("/api") else "misar"])
            answer = await client.request(method, f"{base}{path}", json=body, headers=headers)
            assert answer.status_code < 300, answer.text
            return answer.json()

        body = {"name": "vip", "segment_type": "dynamic", "filter_criteria": CRITERIA}
        id_ = (await send(one.base, "POST", "/mail/v1/segments", body))["data"]["id"]
        rows = [{"email": email, "tags": []} for email in EMAILS]
        await send(one.base, "POST", "/mail/v1/contacts/import", {"contacts": rows})
        bases = (one.base, other.base)

        async def read_all(base: str) -> tuple[int, int, int, str, str]:
            segment = (await send(base, "GET", f"/mail/v1/segments/{id_}"))["data"]
            name = (await send(base, "GET", f"/api/v1/segments/{id_}"))["data"]["name"]
            estimate = (await send(base, "POST", f"/api/v1/segments/{id_}/estimate"))["data"]["count"]
            ids = (await send(base, "GET", f"/mail/v1/segments/{id_}/members"))["data"]["contact_ids"]
            return segment["contact_count"], estimate, len(ids), segment["name"], name

        stop = asyncio.Event()

        async def keep_reading(base: str) -> None:
            while not stop.is_set():
                await read_all(base)

        readers = [asyncio.create_task(keep_reading(base)) for base in bases]
        for number in range(LOOPS):
            members, name = number % (len(EMAILS) + 1), f"name {number}"
            writer, reader = bases[number % 2], bases[(number + 1) % 2]
            changed = [{**row, "tags": ["vip"] if i < members else []} for i, row in enumerate(rows)]
            await send(writer, "POST", "/mail/v1/contacts/import", {"contacts": changed})
            await send(writer, "PATCH", f"/mail/v1/segments/{id_}", {"name": name})
            expected = (members, members, members, name, name)
            for base in (reader, writer, reader):
                assert await read_all(base) == expected, number
        stop.set()
        await asyncio.gather(*readers)
        tally("writes that another process showed at once", database.name, 2 * LOOPS)


async def _create_keys(url: str) -> dict[str, str]:
    server = Server(url)
    try:
        return {name: await server.key(name, "acme") for name in ("misar", "topmail")}
    finally:
        await server.beside.close()
