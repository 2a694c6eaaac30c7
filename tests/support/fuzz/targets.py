"""A server under test by fuzzing: the resources that requests may name, and the faults of its responses."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final

from diglot.api.dialect import Dialect
from diglot.api.openapi.document import build_document
from diglot.dialects.misar.platform.wire import PlatformError
from diglot.dialects.registry import DIALECTS, find_surface, get_dialect
from diglot.model.workspaces import Session, Workspace
from diglot.service.access.keys import Keys
from diglot.storage.access import sessions
from diglot.storage.connect import create_engine
from diglot.storage.tenant import Tenant, bind_workspace
from support.database_watch import Watch, watching
from support.engines import Database
from support.fuzz.drafts import Known
from support.fuzz.requests import Maker
from support.openapi import documents
from support.servers.asgi import Answer, Request, send_request
from support.servers.in_process import Server, idle_scope, serving

SECONDS: Final = 20
NOW: Final = 1_770_000_000_000_000


@dataclass
class Target:
    """A server with resources, and the faults found in its responses."""

    server: Server
    dialect: Dialect
    known: Known
    watch: Watch
    faults: list[str] = field(default_factory=list)
    refused: int = 0
    crashes: int = 0
    state: object = None

    async def send(self, request: Request) -> Answer:
        """Send a request and record the fault of its response."""
        started = time.perf_counter()
        answer = await asyncio.wait_for(send_request(self.server.app, request), SECONDS)
        took = time.perf_counter() - started
        before, self.state = self.state, await self.watch.state()
        fault = _fault(self.dialect, request, answer)
        if took > SECONDS:
            fault = f"took {took:.1f} s"
        reads = request.method in ("GET", "HEAD", "OPTIONS")
        if (answer.status >= 400 or reads) and self.state != before:
            fault = "it wrote something"
        if fault is not None:
            self.faults.append(f"{answer.status} {answer.body[:300]!r}: {fault}\n    {request}")
        self.refused += answer.status >= 400
        self.crashes += answer.status >= 500
        if request.method == "DELETE" and answer.status < 400:
            await _replenish(self.server, self.dialect, self.known)
            self.state = await self.watch.state()
        return answer


@asynccontextmanager
async def target(database: Database, dialect: Dialect) -> AsyncIterator[Target]:
    """Lend a server on a database of its own."""
    async with database.fresh() as url, serving(url, now=NOW) as server, watching(url) as watch:
        known = await _known(server, dialect)
        yield Target(server, dialect, known, watch, state=await watch.state())


async def _known(server: Server, dialect: Dialect) -> Known:
    """Create two workspaces with resources, and keys that open nothing."""
    other = next(each for each in DIALECTS if each is not dialect)
    known = Known(await server.key(dialect.name, "one"), [], [], [], [], [])
    stranger = Known(await server.key(dialect.name, "two"), [], [], [], [], [])
    for item in (known, stranger):
        await _replenish(server, dialect, item)
    weak = await server.key(dialect.name, "one", (idle_scope(dialect),))
    revoked = await server.key(dialect.name, "one")
    engine = create_engine(server.url)
    await engine.open()
    await Keys(engine).revoke(revoked)
    await engine.write(bind_workspace(1, lambda tenant: _sign_in(tenant, known.session)))
    await engine.write(bind_workspace(2, lambda tenant: _sign_in(tenant, known.other_sessions[0])))
    await engine.close()
    known.other_keys = (weak, revoked, await server.key(other.name, "one"), known.key[:-1], known.key + "0")
    known.foreign = stranger.ids
    return known


async def _sign_in(tenant: Tenant, secret: str) -> None:
    """Create a session of a workspace that never expires."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    await sessions.begin(tenant, Session(digest, Workspace(tenant.workspace, "", "UTC"), NOW, 2**62))


async def _replenish(server: Server, dialect: Dialect, known: Known) -> None:
    """Create resources of each kind that requests have deleted."""
    maker = Maker(dialect, Random(known.round), known)
    calls = {call[1].id: call for call in dialect.operations}

    async def make(call: str, body: Any = None) -> str:
        draft = maker.valid(*calls[call])
        draft.body = draft.body if body is None else body
        answer = await send_request(server.app, draft.request())
        assert answer.status in (200, 201), answer.body
        return str(json.loads(answer.body)["data"].get("id"))

    known.round += 1
    known.emails = [f"known{known.round}.{number}@example.com" for number in range(2)]
    if "createKey" in calls:
        answer = await send_request(server.app, maker.valid(*calls["createKey"]).request())
        known.keys[:] = [json.loads(answer.body)["keyId"]]
    known.segments[:] = [await make("createSegment") for _ in known.emails]
    known.contacts[:] = [await make("createContact", maker.contact(email)) for email in known.emails]
    if "changeSegmentMembers" in calls:
        by_hand = maker.segment("createSegment") | {"segment_type": "static"}
        known.static_segments[:] = [await make("createSegment", by_hand)]
    if "createList" in calls:
        known.lists[:] = [await make("createList", maker.list(dynamic=False))]
        known.dynamic_lists[:] = [await make("createList", maker.list(dynamic=True))]
        await make("addListMembers", {"contact_ids": known.contacts})
        known.tags[:] = [await make("createTag", {"name": f"tag {known.round}"})]
        await make("addTagContacts", {"contact_ids": known.contacts})
    misar = "createWebhook" in calls
    register, remove = ("createWebhook", "deleteWebhook") if misar else ("createTrigger", "deleteTrigger")
    if known.webhooks:  # a workspace has a limit of webhooks
        await send_request(server.app, maker.valid(*calls[remove]).request())
    known.webhooks[:] = [await make(register)]


def _fault(dialect: Dialect, request: Request, answer: Answer) -> str | None:
    """Return the fault of a response, or None."""
    if len(answer.values(b"x-request-id")) != 1:
        return "no X-Request-Id, or several"
    allowed = _documented(dialect, request)
    if answer.status not in allowed:
        return f"status is none of {sorted(allowed)}"
    if request.method == "HEAD":
        return "a body for HEAD" if answer.body else None
    if answer.status < 400:
        return _undocumented(request, answer)
    if answer.values(b"content-type") != [b"application/json"]:
        return "not application/json"
    return None if _is_error(dialect, request, answer) else "not the error body of the dialect"


def _undocumented(request: Request, answer: Answer) -> str | None:
    """Return the fault of a success response that its document does not allow."""
    scope = request.scope()
    target = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
    headers = {key.decode(): value.decode() for key, value in answer.headers}
    body = documents.read_body(headers, answer.body)
    return documents.contradiction_of_newer(request.method, target, answer.status, headers, body)


def _documented(dialect: Dialect, request: Request) -> set[int]:
    """Return the statuses that a call documents; 404 and 405 if there is no such call."""
    if request.method == "OPTIONS":
        return {204, 404}
    method = "GET" if request.method == "HEAD" else request.method
    path = [part for part in request.scope()["path"].removeprefix(dialect.base_path).split("/") if part]
    results = [each for each in _documents(dialect.name) if _fits(each.path, path)]
    # A literal path segment wins over a parameter, as in routing.
    nearest = min(results, key=lambda each: sum(part.startswith("{") for part in each.path), default=None)
    host = {400} if any(name == b"host" for name, _ in request.headers) else set()
    if nearest is None or method not in nearest.statuses:
        return {404, 405} | host
    return nearest.statuses[method] | host


@dataclass(frozen=True)
class _Path:
    path: list[str]
    statuses: dict[str, set[int]]


@cache
def _documents(dialect_name: str) -> list[_Path]:
    """Return the documented paths with the statuses of their methods, without 500."""
    paths = build_document(get_dialect(dialect_name))["paths"]
    return [
        _Path(path.strip("/").split("/"), {name.upper(): _statuses(call) for name, call in calls.items()})
        for path, calls in paths.items()
    ]


def _statuses(call: dict[str, Any]) -> set[int]:
    return {int(status) for status in call["responses"] if int(status) < 500}


def _fits(shape: list[str], path: list[str]) -> bool:
    pairs = zip(shape, path, strict=False)
    return len(shape) == len(path) and all(want.startswith("{") or want == part for want, part in pairs)


def _is_error(dialect: Dialect, request: Request, answer: Answer) -> bool:
    body: Any = json.loads(answer.body)
    result = find_surface(request.scope()["path"])
    if result is not None and result[1].error_body is PlatformError:
        return list(body) == ["error"] and isinstance(body["error"], str)
    if dialect.name == "misar":
        keys = ["success", "error", *(["details"] if answer.status == 400 else [])]
        details = body.get("details", {"fieldErrors": {}, "formErrors": []})
        named = body["success"] is False and isinstance(body["error"], str)
        return list(body) == keys and named and list(details) == ["fieldErrors", "formErrors"]
    detail = body["error"]
    keys = ["code", "message", *(["path"] if "path" in detail else [])]
    texts = all(isinstance(part, str) for part in detail.values())
    return list(body) == ["error"] and list(detail) == keys and texts
