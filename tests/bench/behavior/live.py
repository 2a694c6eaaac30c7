"""Writes of events over HTTP beside 1,000 segments about events, and how far time lags behind."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from random import Random
from statistics import median, quantiles
from typing import Any, Final

from bench.behavior.data import NAMES, PLANS
from bench.load import Served, served
from bench.membership import build, product
from bench.membership.notes import THOUSAND, Keyring
from bench.membership.report import Outcome, at_least, at_most, format_number, format_time
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


def behavioral(number: int) -> dict[str, Any]:
    """Return the rule of one of many segments: counts in windows, half of them with `where`, and sums."""
    name, days = NAMES[number % 3], (1, 7, 14, 30, 60, 90, 180)[number % 7]
    where = {"all": [{"field": "plan", "operator": "equals", "operand": PLANS[number % 4]}]}
    if number % 10 == 9:
        return {"field": f"events.{name}.sum.price.{days}d", "operator": "gt", "operand": 10 * (number % 50)}
    rule = {"field": f"events.{name}.count.{days}d", "operator": "gte", "operand": 1 + number // 7 % 9}
    return rule | ({"where": where} if number % 2 else {})


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
    """Compare the rate and the 99th percentile of event writes with segments and without any."""
    sides = {}
    async with build.building(store.url, store.now) as builder:
        for name in ("without", THOUSAND):
            keys = await builder.key(f"{name} {store.now}")
            await builder.fill((await builder.caller(keys)).workspace, PEOPLE)
            sides[name] = keys
    await create(store, sides[THOUSAND], [behavioral(n) for n in range(SEGMENTS)], "segments about events")
    emails = {name: await _emails(store, keys) for name, keys in sides.items()}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    environment = {
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "DIGLOT_DATABASE": store.url,
        "DIGLOT_RATE_LIMITS": "off",
    }
    with served("diglot", "diglot.app:from_environment", environment, factory=True) as server:
        for turn in range(ROUNDS + 1):
            for name, keys in sides.items():
                figures = await _load(server, keys["misar"], emails[name], Random(turn))
                measured[name] += [figures] if turn else []
    bar = 0.7 if store.postgresql else 0.8
    rates = {name: [rate for rate, _ in rounds] for name, rounds in measured.items()}
    tails = {name: [tail for _, tail in rounds] for name, rounds in measured.items()}
    pairs = list(zip(rates[THOUSAND], rates["without"], strict=True))
    slow = list(zip(tails[THOUSAND], tails["without"], strict=True))
    what = f"event writes over HTTP with {SEGMENTS:,} segments about events, compared with none"
    shown = {name: (format_number(median(rates[name])), format_time(median(tails[name]))) for name in sides}
    return Outcome(
        [
            at_least(
                f"{what}, events a second",
                shown[THOUSAND][0],
                shown["without"][0],
                [a / b for a, b in pairs],
                bar,
            ),
            at_most(f"{what}, p99", shown[THOUSAND][1], shown["without"][1], [a / b for a, b in slow], 2),
        ]
    )


async def _emails(store: Store, keys: Keyring) -> list[str]:
    async with build.building(store.url, store.now) as builder:
        workspace = (await builder.caller(keys)).workspace
    rows = await store.raw.rows(f"SELECT email FROM contacts WHERE workspace = {workspace}")
    return [row[0] for row in rows]


async def _load(server: Served, key: str, emails: Sequence[str], rng: Random) -> tuple[float, float]:
    """Send events for a while; return how many a second, and the 99th percentile of the times in seconds."""
    times: list[float] = []
    until = time.perf_counter() + SECONDS

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**20)
        while (began := time.perf_counter()) < until:
            body = json.dumps(
                {
                    "email": rng.choice(emails),
                    "event_name": rng.choice(NAMES),
                    "event_data": {"plan": rng.choice(PLANS), "price": rng.randrange(20_000) / 100},
                }
            )
            head = f"POST /mail/v1/track/event HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
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
