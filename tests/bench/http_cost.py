"""Measures server CPU per request: Diglot, a bare ASGI app and FastAPI, all under granian, in turn."""

import asyncio
import json
import re
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Served, fetch, served
from bench.progress import Progress
from bench.store import Filled
from diglot.model.ids import format_prefixed_id

HERE = str(Path(__file__).resolve().parents[1])
ROUNDS = 5
_APPS = {
    "diglot": "diglot.app:from_environment",
    "bare": "bench.apps.bare:app",
    "fastapi": "bench.apps.fastapi_orm:app",
}
SIDES = tuple(_APPS)
_AS_OF = re.compile(rb'"count_as_of":"[-0-9T:.]+Z"')


@dataclass
class Call:
    """A call to measure; its paths differ between the sides only in the form of an id."""

    name: str
    path: str
    plain_path: str
    key: str
    requests: int
    cpu: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})


def calls(filled: Filled) -> list[Call]:
    """Return the calls that the table has a row for."""
    misar, topmail = filled.segments["misar"], filled.segments["topmail"]
    one, other = "/mail/v1/segments/", "/api/v1/segments/"
    page, window = "/mail/v1/contacts?limit=100", "/api/v1/contacts?limit=100"
    return [
        Call("Misar GET segment", one + format_prefixed_id(misar), one + misar, filled.misar_key, 1500),
        Call("Topmail GET segment", other + topmail, other + topmail, filled.topmail_key, 1500),
        Call("Misar page of 100", page, page, filled.misar_key, 200),
        Call("Topmail page of 100", window, window, filled.topmail_key, 200),
    ]


def report(filled: Filled) -> str:
    """Measure every call on all three servers and return the table."""
    measured = calls(filled)
    asyncio.run(measure(measured, filled.url, filled.count))
    return table(measured)


async def measure(
    measured: list[Call], url: str, count: int, *, pages: Mapping[int, int] | None = None, sides: int = 3
) -> None:
    """Add the CPU seconds per request to the calls, by side and round.

    `count` is the count of the segment; `pages` maps a page to the key with which the bare app begins it.
    """
    environment = {
        "PYTHONPATH": HERE,
        "BENCH_URL": url,
        "BENCH_COUNT": str(count),
        "BENCH_PAGES": json.dumps(pages or {}),
        "DIGLOT_DATABASE": url,
        "DIGLOT_RATE_LIMITS": "off",
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
    answers = {server.name: await fetch(server.port, _path(call, server), headers, 200) for server in servers}
    if _timeless(answers["diglot"]) != _timeless(answers["bare"]):
        raise RuntimeError(f"{call.name}: the bare app returns other bytes")
    for _ in range(ROUNDS):
        for server in servers:
            before = server.cpu()
            await fetch(server.port, _path(call, server), headers, call.requests)
            call.cpu[server.name].append((server.cpu() - before) / call.requests)


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
        medians = [statistics.median(call.cpu[side]) * 1e6 for side in SIDES]
        over = statistics.median(a / b for a, b in zip(call.cpu["diglot"], call.cpu["bare"], strict=True))
        under = statistics.median(a / b for a, b in zip(call.cpu["fastapi"], call.cpu["diglot"], strict=True))
        figures = " | ".join(f"{median:.0f}" for median in medians)
        rows.append(f"| {call.name} | {figures} | {over:.2f} | {under:.2f} |")
    return "\n".join(rows)
