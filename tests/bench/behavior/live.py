"""Writes of events over HTTP beside 1,000 segments about events, and how far time lags behind."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from random import Random
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from bench.behavior.data import NAMES, PLANS
from bench.behavior.mixes import HOSTILE, SHOP, Mix
from bench.load import Served, served
from bench.membership import build, product
from bench.membership.notes import Keyring
from bench.membership.report import Line, Outcome, at_least, at_most, format_number, format_time
from bench.membership.store import Store
from bench.progress import Progress
from diglot.background.first_evaluation import FirstEvaluation
from diglot.model.segments import Condition, OriginalText
from diglot.service.audience.segments import NewSegment
from diglot.storage.background import due_work
from support import canonical

SEGMENTS: Final = 1_000
SECONDS: Final = 8.0
ROUNDS: Final = 3
CONNECTIONS: Final = 8
PEOPLE: Final = 2_000
TICKS: Final = 30
MINUTE: Final = 60_000_000

# The events a second of each round, and the 99th percentile of the times in seconds.
Rounds = Sequence[tuple[float, float]]


class Side(NamedTuple):
    """One side of the comparison of writes: a key of its workspace, the contacts, and what is written."""

    key: str
    emails: Sequence[str]
    mix: Mix


def relative(number: int) -> dict[str, Any]:
    """Return the rule of one of many segments that time alone changes."""
    name, days = NAMES[number % 3], 1 + number % 365
    return {"field": f"events.{name}.count.{days}d", "operator": "gte", "operand": 1 + number // 365}


async def create(store: Store, keys: Keyring, rules: Sequence[dict[str, Any]], what: str) -> list[str]:
    """Create segments and evaluate them."""
    made = []
    async with build.building(store.url, store.now) as builder:
        caller = await builder.caller(keys)
        with Progress(what, len(rules)) as progress:
            for number, rule in enumerate(rules):
                condition = Condition(canonical.read(rule), OriginalText("canonical", "{}"))
                new = NewSegment(f"{what} {number}", condition)
                made.append((await builder.segments.create(caller, new)).id)
                progress.step()
        evaluation = FirstEvaluation(builder.engine, lambda: store.now)
        pending = await builder.engine.read(due_work.list_pending_segments)
        with Progress(f"{what}: first evaluations", max(len(pending), 1)) as progress:
            for place in pending:
                await evaluation.run(place)
                progress.step()
    return made


async def write_events(store: Store) -> Outcome:
    """Compare the rate and the 99th percentile of event writes with each mix of segments and without any."""
    sides: dict[str, Side] = {}
    for name, mix in (("none", SHOP), (SHOP.name, SHOP), (HOSTILE.name, HOSTILE)):
        sides[name] = await _build_side(store, mix, 0 if name == "none" else SEGMENTS)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    environment = {
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "DIGLOT_DATABASE": store.url,
        "DIGLOT_RATE_LIMITS": "off",
    }
    with served("diglot", "diglot.app:from_environment", environment, factory=True) as server:
        for turn in range(ROUNDS + 1):
            for name, side in sides.items():
                figures = await _load(server, side, Random(turn))
                measured[name] += [figures] if turn else []
    bar, none = 0.7 if store.postgresql else 0.8, measured.pop("none")
    lines = [line for name, ours in measured.items() for line in _compare_writes(name, ours, none, bar)]
    return Outcome(lines, "\n".join(f"- {mix.name} mix: {mix.shares}" for mix in (SHOP, HOSTILE)))


def _compare_writes(name: str, ours: Rounds, none: Rounds, bar: float) -> list[Line]:
    """Return the lines of a mix: how many events a second, and the 99th percentile."""
    what = f"event writes over HTTP with {SEGMENTS:,} segments, {name} mix, compared with none"
    rate, tail = (list(column) for column in zip(*ours, strict=True))
    other_rate, other_tail = (list(column) for column in zip(*none, strict=True))
    return [
        at_least(
            f"{what}, events a second",
            format_number(median(rate)),
            format_number(median(other_rate)),
            [a / b for a, b in zip(rate, other_rate, strict=True)],
            bar,
        ),
        at_most(
            f"{what}, p99",
            format_time(median(tail)),
            format_time(median(other_tail)),
            [a / b for a, b in zip(tail, other_tail, strict=True)],
            2,
        ),
    ]


async def _build_side(store: Store, mix: Mix, segments: int) -> Side:
    """Build a workspace with contacts, and the segments of a mix."""
    async with build.building(store.url, store.now) as builder:
        keys = await builder.key(f"{mix.name} {segments} {store.now}")
        workspace = (await builder.caller(keys)).workspace
        await builder.fill(workspace, PEOPLE)
    await create(store, keys, [mix.rule(n) for n in range(segments)], f"segments of the {mix.name} mix")
    rows = await store.raw.rows(f"SELECT email FROM contacts WHERE workspace = {workspace}")
    return Side(keys["misar"], [row[0] for row in rows], mix)


async def _load(server: Served, side: Side, rng: Random) -> tuple[float, float]:
    """Send events for a while; return how many a second, and the 99th percentile of the times in seconds."""
    times: list[float] = []
    until = time.perf_counter() + SECONDS

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**20)
        while (began := time.perf_counter()) < until:
            body = json.dumps(
                {
                    "email": rng.choice(side.emails),
                    "event_name": side.mix.choose_name(rng),
                    "event_data": {"plan": rng.choice(PLANS), "price": rng.randrange(20_000) / 100},
                }
            )
            head = (
                f"POST /mail/v1/track/event HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {side.key}\r\n"
            )
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 20" not in answer[:13]:
                raise RuntimeError(answer.decode())
            await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))
            times.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return len(times) / SECONDS, quantiles(times, n=100)[-1]


async def advance(store: Store, keys: Keyring) -> Outcome:
    """Measure how long the clock takes for each minute with segments that time changes."""
    await create(store, keys, [relative(n) for n in range(SEGMENTS)], "segments that time changes")
    lags = []
    with Progress("minutes", TICKS) as progress:
        for turn in range(1, TICKS + 1):
            began = time.perf_counter()
            await product.advance_clock(store.engine, store.main, store.now + turn * MINUTE)
            lags.append(time.perf_counter() - began)
            progress.step()
    what = f"a minute of the clock with {SEGMENTS:,} relative segments at {store.note.contacts:,} contacts"
    longest = f"{format_time(max(lags))} (bar 1 s)"
    return Outcome(
        [
            at_most(
                f"{what}: the longest of {TICKS}, wall",
                longest,
                f"median {format_time(median(lags))}",
                [max(lags)],
                1,
            )
        ]
    )
