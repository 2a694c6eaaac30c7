"""Rate limits of a key: the vendors' figures, headers and errors, and one count for several processes."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from diglot.errors import Misconfigured
from diglot.model.workspaces import Caller
from diglot.service.access.rate_limits import Rate, RateLimits
from diglot.setting_sources import load_settings
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from support.engines import POOLED_TOO, SQLITE, Database
from support.servers.in_process import Server, bearer, serving
from support.servers.process import running

# 2026-03-01T12:00:10Z: ten seconds into a minute.
NOW = 1_772_366_410_000_000
SECOND = 1_000_000
CALLERS = 50
SERVING = {"now": NOW, "rate_limits": "vendor"}


async def _gets(server: Server, path: str, key: str, times: int) -> list[httpx.Response]:
    return [await server.client.get(path, headers=bearer(key)) for _ in range(times)]


async def test_misar_counts_each_call_by_the_minute(server: Server) -> None:
    """60 a minute for each call on segments, 100 for reading contacts; then 429 until the minute ends."""
    key = await server.key("misar", "one")
    answers = await _gets(server, "/mail/v1/segments", key, 61)
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    shown = [
        [answer.headers[f"x-ratelimit-{part}"] for part in ("limit", "remaining", "reset")]
        for answer in (answers[0], answers[59], answers[60])
    ]
    reset = str(NOW // SECOND + 50)
    assert shown == [["60", "59", reset], ["60", "0", reset], ["60", "0", reset]]
    refused = answers[60]
    assert refused.headers["retry-after"] == "50"
    assert refused.json() == {
        "success": False,
        "error": "Too many requests. Please slow down.",
        "retryAfter": 50,
    }
    assert "retry-after" not in answers[59].headers
    assert {answer.status_code for answer in await _gets(server, "/mail/v1/contacts", key, 100)} == {200}
    one_more = await server.client.get("/mail/v1/contacts?id=x", headers=bearer(key))
    assert one_more.status_code == 429
    server.now += 50 * SECOND
    assert (await _gets(server, "/mail/v1/segments", key, 1))[0].headers["x-ratelimit-remaining"] == "59"


async def test_misars_other_routes_have_their_own_counts(server: Server) -> None:
    """60 a minute for each call without a version, 200 on the contacts platform, with its own error body."""
    key = await server.key("misar", "one")
    root = await _gets(server, "/mail/segments", key, 61)
    assert [answer.status_code for answer in root] == [200] * 60 + [429]
    assert root[60].json()["retryAfter"] == 50
    platform = await _gets(server, "/io/contacts/segments/x", key, 201)
    assert [answer.status_code for answer in platform] == [404] * 200 + [429]
    assert platform[200].headers["retry-after"] == "50"
    assert platform[200].json() == {"error": "Too many requests. Please slow down."}


async def test_topmail_counts_all_calls_in_a_sliding_window(server: Server) -> None:
    """100 in any minute over all calls; the weight of the previous window falls as the current one passes."""
    key = await server.key("topmail", "one")
    answers = [
        *await _gets(server, "/api/v1/segments", key, 50),
        *await _gets(server, "/api/v1/contacts", key, 51),
    ]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429]
    assert answers[0].headers["x-ratelimit-remaining"] == "99"
    assert "x-ratelimit-limit" not in answers[0].headers
    reset = datetime.fromisoformat(answers[0].headers["x-ratelimit-reset"])
    assert reset == datetime.fromtimestamp(NOW // SECOND + 50, UTC)
    refused = answers[100]
    wait = int(refused.headers["retry-after"])
    assert refused.json()["error"]["code"] == "rate_limited"
    assert str(wait) in refused.json()["error"]["message"]
    server.now += (wait - 1) * SECOND
    assert (await _gets(server, "/api/v1/segments", key, 1))[0].status_code == 429
    server.now += SECOND
    assert (await _gets(server, "/api/v1/segments", key, 1))[0].status_code == 200
    # Half of the hundred still counts in the middle of the next minute.
    server.now = NOW + (50 + 30) * SECOND
    answers = await _gets(server, "/api/v1/segments", key, 51)
    assert Counter(answer.status_code for answer in answers) == {200: 49, 429: 2}


async def test_every_authenticated_response_has_headers(server: Server) -> None:
    """Errors have them too, but not a 401, because its key is unknown; each key has a count of its own."""
    weak = await server.key("misar", "one", ("send",))
    key = await server.key("misar", "one")
    path = "/mail/v1/segments"
    unknown = await server.client.get(f"{path}/nothing", headers=bearer(key))
    forbidden = await server.client.get(path, headers=bearer(weak))
    bad = await server.client.post(
        path, headers={**bearer(key), "content-type": "application/json"}, content=b"{"
    )
    head = await server.client.head(path, headers=bearer(key))
    assert [a.status_code for a in (unknown, forbidden, bad, head)] == [404, 403, 400, 200]
    assert [a.headers["x-ratelimit-remaining"] for a in (unknown, forbidden, bad, head)] == ["59"] * 4
    for headers in ({}, bearer("msk_unknown")):
        refused = await server.client.get(path, headers=headers)
        assert refused.status_code == 401
        assert not [name for name in refused.headers if name.startswith("x-ratelimit")]


@POOLED_TOO
async def test_keys_of_a_workspace_share_a_limit(database: Database) -> None:
    """More keys do not buy more requests without end; then the headers are those of the workspace."""
    async with (
        database.fresh() as url,
        serving(url, now=NOW, rate_limits="5", workspace_rate=3, max_keys=0) as server,
    ):
        keys = [await server.key("misar", "one") for _ in range(5)]
        results = [await _gets(server, "/mail/v1/segments", key, 4) for key in keys]
        statuses = [answer.status_code for answers in results for answer in answers]
        assert statuses == [200] * 15 + [429] * 5
        refused = results[3][3]
        assert [refused.headers[f"x-ratelimit-{part}"] for part in ("limit", "remaining")] == ["15", "0"]
        assert refused.headers["retry-after"] == "50"
        assert results[2][3].headers["x-ratelimit-limit"] == "5"
        # A rejected request took nothing from its key.
        server.now += 50 * SECOND
        again = await _gets(server, "/mail/v1/segments", keys[4], 1)
        assert again[0].headers["x-ratelimit-remaining"] == "4"
        other = await _gets(server, "/mail/v1/segments", await server.key("misar", "two"), 1)
        assert other[0].status_code == 200


async def test_a_key_over_its_limit_takes_nothing_from_its_workspace(database: Database) -> None:
    """One client that does not stop leaves the others their requests."""
    async with database.fresh() as url, serving(url, now=NOW, rate_limits="5", workspace_rate=2) as server:
        for dialect, path in (("misar", "/mail/v1/segments"), ("topmail", "/api/v1/segments")):
            restless, other = [await server.key(dialect, "one") for _ in "12"]
            answers = await _gets(server, path, restless, 30)
            assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 25}
            answers = await _gets(server, path, other, 6)
            assert [answer.status_code for answer in answers] == [200] * 5 + [429]


@POOLED_TOO
async def test_parallel_keys_share_the_limit_of_their_workspace(database: Database) -> None:
    """Of parallel requests with many keys exactly as many succeed as the workspace may have."""
    async with database.fresh() as url, serving(url, now=NOW, rate_limits="4", workspace_rate=5) as server:
        keys = [await server.key("misar", "one") for _ in range(12)]
        answers = await asyncio.gather(*(_gets(server, "/mail/v1/segments", key, 3) for key in keys))
        assert Counter(answer.status_code for part in answers for answer in part) == {200: 20, 429: 16}


async def test_a_429_comes_before_403_and_writes_nothing(server: Server) -> None:
    """A write over the limit is not done, and a key without the scope gets the 429 first."""
    key = await server.key("misar", "one")
    statuses = []
    for number in range(61):
        body = {"email": f"a{number}@example.com"}
        statuses.append(
            (await server.client.post("/mail/v1/contacts", headers=bearer(key), json=body)).status_code
        )
    assert statuses == [201] * 60 + [429]
    listed = await server.client.get("/mail/v1/contacts", headers=bearer(key))
    assert listed.json()["pagination"]["total"] == 60
    weak = await server.key("misar", "one", ("send",))
    answers = await _gets(server, "/mail/v1/segments", weak, 61)
    assert [answer.status_code for answer in answers] == [403] * 60 + [429]


@POOLED_TOO
async def test_parallel_requests_share_the_remaining_limit(server: Server) -> None:
    """Of 50 parallel requests exactly the remaining number succeeds."""
    key = await server.key("misar", "one")
    await _gets(server, "/mail/v1/segments", key, 23)
    answers = await asyncio.gather(*(_gets(server, "/mail/v1/segments", key, 1) for _ in range(CALLERS)))
    assert Counter(answer.status_code for (answer,) in answers) == {200: 37, 429: 13}
    left = sorted(int(a.headers["x-ratelimit-remaining"]) for (a,) in answers if a.status_code == 200)
    assert left == list(range(37))


@POOLED_TOO
async def test_several_processes_share_one_count(url: str) -> None:
    """Two servers on one database with parallel requests together allow exactly the limit of one key."""
    options = ("--rate-limits", "30")
    async with running(url, *options) as server, running(url, *options) as other:
        key = await server.key("misar")

        async def ask(base: str) -> int:
            async with httpx.AsyncClient(base_url=base, timeout=30) as client:
                return (await client.get("/mail/v1/segments", headers=bearer(key))).status_code

        for _ in range(2):
            # A minute may end in between; not twice within seconds.
            statuses = await asyncio.gather(
                *(ask(base) for base in (server.base, other.base) for _ in range(25))
            )
            if Counter(statuses) == {200: 30, 429: 20}:
                break
        assert Counter(statuses) == {200: 30, 429: 20}


@pytest.mark.parametrize("limits", ["off", "5"])
async def test_an_operator_sets_the_limits(database: Database, limits: str) -> None:
    """A number limits each key, over all its calls in both dialects; `off` sends no headers at all."""
    async with database.fresh() as url, serving(url, now=NOW, rate_limits=limits) as server:
        for dialect, path in (("misar", "/mail/v1/segments"), ("topmail", "/api/v1/segments")):
            answers = await _gets(server, path, await server.key(dialect, "one"), 6)
            expected = [200] * 6 if limits == "off" else [200] * 5 + [429]
            assert [answer.status_code for answer in answers] == expected
            assert ("x-ratelimit-remaining" in answers[0].headers) == (limits != "off")


@pytest.mark.parametrize("limits", ["", "0", "-1", "many", "1000001", "²", "9" * 5000])
def test_an_invalid_setting_stops_the_start(limits: str) -> None:
    """Anything but the two words and a sensible number is a one-line error."""
    with pytest.raises(Misconfigured, match="are neither vendor, off nor a number"):
        load_settings({"rate_limits": limits}, {})


@POOLED_TOO
async def test_a_window_before_the_last_does_not_count(engine: Engine) -> None:
    """After two windows without a request a key starts at zero, in either kind of window."""
    now = NOW
    limits = RateLimits(engine, lambda: now)
    for rate in (Rate(3), Rate(3, sliding=True)):
        bucket = f"sliding {rate.sliding}"
        for left in (2, 1, 0):
            allowance = await limits.consume("key", bucket, rate)
            assert allowance is not None
            assert (allowance.remaining, allowance.is_exceeded) == (left, False)
        refused = await limits.consume("key", bucket, rate)
        assert refused is not None
        assert refused.is_exceeded
        now += 120 * SECOND
        anew = await limits.consume("key", bucket, rate)
        assert anew is not None
        assert anew.remaining == 2


@POOLED_TOO
async def test_parallel_counts_of_a_workspace(engine: Engine) -> None:
    """Keys that share a rate do not wait for each other in a circle, and each request is counted once."""
    limits = RateLimits(engine, lambda: NOW, workspace_rate=10)
    callers = [Caller(1, ZoneInfo("UTC"), key, frozenset()) for key in "abc"]
    counted = (limits.consume_of(callers[n % 3], "bucket", Rate(20)) for n in range(90))
    states = await asyncio.gather(*counted)
    assert Counter(state is not None and state.is_exceeded for state in states) == {False: 60, True: 30}
    # Of the 200 that all keys may have, 60 are counted.
    for key in "defghij" * 20 + "k":
        state = await limits.consume_of(Caller(1, ZoneInfo("UTC"), key, frozenset()), "bucket", Rate(20))
        assert state is not None
        assert (state.is_exceeded, state.rate.requests) == ((False, 20) if key != "k" else (True, 200))


async def test_a_locked_counter_of_attempts_does_not_block_a_response() -> None:
    """If the count times out, the attempt is allowed and the log says so."""
    async with SQLITE.fresh() as url:
        holder, engine = create_engine(url), create_engine(url)
        await holder.open()
        await engine.open()
        beside: Any = holder
        beside._ephemeral.run(lambda file: file.execute("BEGIN IMMEDIATE"))
        beside._ephemeral.run(lambda file: file.execute("DELETE FROM ephemeral.rate_counts"))
        assert await RateLimits(engine).consume("key", "bucket", Rate(1)) is None
        beside._ephemeral.run(lambda file: file.execute("ROLLBACK"))
        assert await RateLimits(engine).consume("key", "bucket", Rate(1)) is not None
        await engine.close()
        await holder.close()
