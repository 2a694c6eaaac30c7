"""Measures server CPU per request: Diglot, a bare ASGI app and FastAPI, all under granian, in turn."""

import asyncio
import json
import os
import re
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bench.load import Served, fetch, served
from bench.progress import Progress
from bench.store import Filled
from diglot.membership import store
from diglot.model.ids import format_prefixed_id
from diglot.model.pages import Window
from diglot.storage.audience import segments
from diglot.storage.connect import open_engine
from diglot.storage.tenant import Tenant, bind_workspace

HERE = str(Path(__file__).resolve().parents[1])
ROUNDS = 5
_APPS = {
    "diglot": "diglot.app:from_environment",
    "bare": "bench.apps.bare:app",
    "fastapi": "bench.apps.fastapi_orm:app",
}
SIDES = tuple(_APPS)
_WITHOUT_ORM = ("Topmail estimate", "Misar page of 100 ids")
# A limit that nobody reaches; requests are counted as with any other.
COUNTING = {"DIGLOT_RATE_LIMITS": "1000000"}
_AS_OF = re.compile(rb'"count_as_of":"[-0-9T:.]+Z"')


@dataclass
class Call:
    """A call to measure; its paths differ between the sides only in the form of an id."""

    name: str
    path: str
    plain_path: str
    key: str
    requests: int
    method: str = "GET"
    cpu: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})


def calls(filled: Filled) -> list[Call]:
    """Return the calls that the table has a row for."""
    misar, topmail = filled.segments["misar"], filled.segments["topmail"]
    one, other = "/mail/v1/segments/", "/api/v1/segments/"
    page, window = "/mail/v1/contacts?limit=100", "/api/v1/contacts?limit=100"
    return [
        Call("Misar GET segment", one + format_prefixed_id(misar), one + misar, filled.misar_key, 1500),
        Call("Topmail GET segment", other + topmail, other + topmail, filled.topmail_key, 1500),
        Call(
            "Topmail estimate",
            *(f"{other}{topmail}/estimate", f"{other}{topmail}/estimate", filled.topmail_key),
            *(1500, "POST"),
        ),
        Call(
            "Misar page of 100 ids",
            f"{one}{format_prefixed_id(misar)}/members?limit=100",
            *(f"{one}{misar}/members?limit=100", filled.misar_key, 1500),
        ),
        Call("Misar page of 100", page, page, filled.misar_key, 200),
        Call("Topmail page of 100", window, window, filled.topmail_key, 200),
    ]


def report(filled: Filled) -> str:
    """Measure every call on all three servers and return the table."""
    measured = calls(filled)
    keys = asyncio.run(_member_keys(filled))
    asyncio.run(measure(measured, filled.url, filled.count, environment=COUNTING | {"BENCH_KEYS": keys}))
    return table(measured)


async def _member_keys(filled: Filled) -> str:
    """Return the keys of the first page of a segment's members, as JSON."""

    async def load(tenant: Tenant) -> list[int]:
        found = await segments.find_with_state(tenant, filled.segments["misar"])
        assert found is not None
        segment, state = found
        changes = await store.get_delta(tenant, state)
        return await store.load_page_keys(tenant, segment.number, Window(0, 100), changes)

    async with open_engine(filled.url) as engine:
        return json.dumps(await engine.read(bind_workspace(filled.workspace, load)))


async def measure(  # noqa: PLR0913 - what the servers are told, each part optional
    measured: list[Call],
    url: str,
    count: int,
    *,
    pages: Mapping[int, int] | None = None,
    sides: int = 3,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Add the CPU seconds per request to the calls, by side and round.

    `count` is the count of the segment; `pages` maps a page to the key with which the bare app begins it.
    Requests are not counted unless the environment says otherwise.
    """
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, (HERE, os.environ.get("PYTHONPATH")))),
        "BENCH_URL": url,
        "BENCH_COUNT": str(count),
        "BENCH_PAGES": json.dumps(pages or {}),
        "DIGLOT_DATABASE": url,
        "DIGLOT_RATE_LIMITS": "off",
        **environment,
    }
    with ExitStack() as stack:
        servers = [
            stack.enter_context(served(side, _APPS[side], environment, factory=side == "diglot"))
            for side in SIDES[:sides]
        ]
        with Progress("calls over HTTP", len(measured)) as progress:
            for call in measured:
                await _compare(call, servers)
                progress.step()


async def _compare(call: Call, servers: list[Served]) -> None:
    headers = {"Authorization": f"Bearer {call.key}"}
    answers = {
        server.name: await fetch(server.port, _path(call, server), headers, 200, call.method)
        for server in servers
        if not _lacks(server, call)
    }
    if _timeless(answers["diglot"]) != _timeless(answers["bare"]):
        raise RuntimeError(f"{call.name}: the bare app returns other bytes")
    for _ in range(ROUNDS):
        for server in servers:
            if _lacks(server, call):
                continue
            before = server.cpu()
            await fetch(server.port, _path(call, server), headers, call.requests, call.method)
            call.cpu[server.name].append((server.cpu() - before) / call.requests)


def _lacks(server: Served, call: Call) -> bool:
    """Tell whether a server lacks a call: that with FastAPI and an ORM has segments and contacts only."""
    return server.name == "fastapi" and call.name in _WITHOUT_ORM


def _timeless(answer: bytes) -> bytes:
    """Return a response without the time of its count."""
    return _AS_OF.sub(b'"count_as_of":0', answer)


def _path(call: Call, server: Served) -> str:
    return call.path if server.name == "diglot" else call.plain_path


def table(measured: list[Call]) -> str:
    """Return the table of medians; each ratio is the median of the ratios per round."""
    rows = [
        "| call | diglot us | bare us | fastapi us | diglot / bare | fastapi / diglot |",
        "|---|---|---|---|---|---|",
    ]
    for call in measured:
        medians = {side: statistics.median(cpu) * 1e6 for side, cpu in call.cpu.items() if cpu}
        over = statistics.median(a / b for a, b in zip(call.cpu["diglot"], call.cpu["bare"], strict=True))
        under = "-"
        if call.cpu["fastapi"]:
            pairs = zip(call.cpu["fastapi"], call.cpu["diglot"], strict=True)
            under = f"{statistics.median(a / b for a, b in pairs):.2f}"
        figures = " | ".join(f"{medians[side]:.0f}" if side in medians else "-" for side in SIDES)
        rows.append(f"| {call.name} | {figures} | {over:.2f} | {under} |")
    return "\n".join(rows)
