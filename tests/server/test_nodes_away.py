"""A node of a distributed database is away: what goes on for the workspaces of the others, and what stops."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from diglot.dialects.registry import get_dialect
from diglot.errors import DatabaseAway, DatabaseBusy, Unavailable
from diglot.server.observability import instruments
from diglot.service.access import passwords
from diglot.service.access.key_usage import KeyUsage
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import Rate, RateLimits
from diglot.service.access.workspace_removal import WorkspaceRemoval
from diglot.service.access.workspaces import Workspaces
from diglot.storage import workspaces
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine, Limits, UnitOfWork
from support.failing_workspaces import FailingEngine
from support.servers.browser import PASSWORD, Browser, set_password
from support.servers.in_process import Server, bearer, serving

# 2026-03-01T12:00:10Z
NOW = 1_772_366_410_000_000
MISAR, TOPMAIL = "/mail/v1", "/api/v1"
ADA = {"email": "ada@example.com"}
RULES = {"match": "all", "rules": [{"field": "email", "operator": "equals", "value": "ada@example.com"}]}


@dataclass
class Away:
    """A server with two workspaces, `here` and `away`, a key of each in each dialect, and its engine."""

    server: Server
    engine: FailingEngine
    keys: dict[tuple[str, str], str]

    async def ask(
        self, dialect: str, workspace: str, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        headers |= bearer(self.keys[dialect, workspace])
        return await self.server.client.request(method, path, json=body, headers=headers)


@pytest_asyncio.fixture
async def away(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Away]:
    """Lend a server that counts requests, and whose database loses the node of one of two workspaces."""
    engines: list[FailingEngine] = []

    def create_failing(url: str, limits: Limits) -> Engine:
        engines.append(FailingEngine(create_engine(url, limits)))
        return engines[0]

    monkeypatch.setattr(instruments, "create_engine", create_failing)
    async with serving(url, now=NOW, rate_limits="vendor") as server:
        keys = {
            (dialect, workspace): await server.key(dialect, workspace)
            for dialect in ("misar", "topmail")
            for workspace in ("here", "away")
        }
        (engine,) = engines
        await set_password(server.beside, "here")
        found = await engine.read(lambda tx: workspaces.find_by_name(tx, "away"))
        assert found is not None
        engine.away = {found.number}
        yield Away(server, engine, keys)


async def test_requests_of_the_others_are_served(away: Away) -> None:
    """They find their key, are counted and limited, read and write."""
    created = await away.ask("misar", "here", "POST", f"{MISAR}/contacts", ADA)
    assert (created.status_code, created.headers["x-ratelimit-remaining"]) == (201, "59")
    segment = {"name": "ada", "conditions": RULES}
    once = {"Idempotency-Key": "one"}
    for _ in range(2):
        made = await away.ask("topmail", "here", "POST", f"{TOPMAIL}/segments", segment, **once)
        assert made.status_code == 201
    members = f"{TOPMAIL}/segments/{made.json()['data']['id']}/contacts"
    listed = await away.ask("topmail", "here", "GET", members)
    assert [one["email"] for one in listed.json()["data"]] == [ADA["email"]]
    statuses = [(await away.ask("misar", "here", "GET", f"{MISAR}/segments")).status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    assert away.engine.failures == 0


@pytest.mark.parametrize(
    ("dialect", "path"), [("misar", f"{MISAR}/segments"), ("topmail", f"{TOPMAIL}/segments")]
)
async def test_its_own_workspaces_are_told_to_wait(away: Away, dialect: str, path: str) -> None:
    """They get 503 in their dialect, because a request is counted where its workspace is."""
    answer = await away.ask(dialect, "away", "GET", path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert away.engine.failures == 1
    away.engine.away = set()
    assert (await away.ask(dialect, "away", "GET", path)).status_code == 200


async def fails(attempt: Awaitable[object]) -> None:
    with pytest.raises(DatabaseAway):
        await attempt


async def test_what_is_on_every_node_is_read_only(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, sessions and profiles are read, and none of them changes, as docs/operate.md says."""
    monkeypatch.setattr(passwords, "_verify_hash", lambda kept, given: bool(kept) and given == PASSWORD)
    browser = Browser(away.server)
    everywhere, away.engine.away = away.engine.away, set()
    assert (await browser.sign_in("here")).status_code == 200
    away.engine.away = everywhere
    assert (await browser.request("GET", "/session")).status_code == 200
    assert (await browser.request("POST", f"{MISAR}/contacts", ADA)).status_code == 201
    refused = await browser.sign_in("here")
    ended = await browser.request("DELETE", "/session")
    made = await browser.request("POST", f"{MISAR}/keys", {"name": "new"})
    listed = await browser.request("GET", f"{MISAR}/keys")
    key = listed.json()["keys"][0]["id"]
    revoked = await browser.request("DELETE", f"{MISAR}/keys/{key}")
    assert [one.status_code for one in (refused, ended, made, listed, revoked)] == [503, 503, 503, 200, 503]
    assert (await away.ask("misar", "here", "GET", f"{MISAR}/contacts")).status_code == 200
    assert (await browser.request("GET", "/session")).status_code == 200


async def test_an_operator_changes_no_workspace(away: Away) -> None:
    """Commands on a workspace of another node fail, and change nothing."""
    engine, misar = away.engine, get_dialect("misar").key_format
    operator, keys = Workspaces(engine), Keys(engine)
    await fails(keys.create(misar, "here"))
    await fails(keys.create(misar, "new"))
    await fails(keys.revoke(away.keys["misar", "here"]))
    await fails(operator.set_password("here", None))
    await fails(operator.set_time_zone("here", "Europe/Berlin"))
    await fails(operator.rename("here", "there"))
    await fails(WorkspaceRemoval(engine, lambda *_: None).delete("here"))
    found = {one.name: one.time_zone for one in await operator.list_all()}
    assert found == {"here": "UTC", "away": "UTC"}
    assert [key.revoked_at for _, key in await keys.list_all()] == [None] * 4


async def test_last_uses_wait_for_the_node(away: Away) -> None:
    """They are written when it is back."""
    ((_, key), *_) = await Keys(away.engine).list_all("here")
    uses = KeyUsage(away.engine)
    uses.record_use(key.id, NOW)
    await uses.flush()
    assert away.engine.failures == 1
    away.engine.away = set()
    await uses.flush()
    assert NOW in [stored.last_used_at for _, stored in await Keys(away.engine).list_all("here")]


@pytest.mark.parametrize("error", [DatabaseAway, DatabaseBusy])
async def test_a_request_that_cannot_be_counted_waits(
    away: Away, monkeypatch: pytest.MonkeyPatch, error: type[Unavailable]
) -> None:
    """It gets 503, as for its other statements; what only deletes old counts fails no request."""

    async def fail(work: UnitOfWork[Any]) -> None:
        del work
        raise error("connection to the remote node failed")

    monkeypatch.setattr(away.engine, "run_ephemeral", fail)
    answer = await away.ask("misar", "here", "GET", f"{MISAR}/segments")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, str(error.retry_after))
    await RateLimits(away.engine).delete_old_counts("sign-in to", Rate(1))
