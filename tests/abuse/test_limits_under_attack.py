"""A workspace that takes more than its share, and strangers who guess its password: others are answered."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from support.engines import SQLITE, Database
from support.newcomer import attacker, newcomer
from support.reporting import Tally
from support.servers.browser import PASSWORD, set_password
from support.servers.in_process import Beside
from support.servers.process import running

KEYS = 30
RATE = 5
WORKSPACE_RATE = 4
GUESSERS = 8
GUESSES = 12
DATES = 2_000
DATES_OF_A_CONTACT = 200
ATTACKED = 20


async def _send(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    return await client.request(method, path, **more)


@pytest.mark.one_in(2, of="limits under attack")
async def test_many_keys_buy_no_more_requests(database: Database) -> None:
    """Keys are limited, and all keys of a workspace together have an allowance."""
    options = ("--rate-limits", str(RATE), "--workspace-rate", str(WORKSPACE_RATE), "--max-keys", str(KEYS))
    async with database.fresh() as url:
        async with (
            running(url, "--rate-limits", "off", "--max-keys", str(KEYS)) as live,
            attacker(live) as client,
        ):
            answers = [
                await _send(client, "POST", "/mail/v1/keys", json={"name": "n"}) for _ in range(KEYS + 5)
            ]
            assert Counter(answer.status_code for answer in answers) == {201: KEYS - 1, 403: 6}
            keys = [answer.json()["key"] for answer in answers if answer.status_code == 201]
        async with running(url, *options) as live, attacker(live, key="") as client:
            counts: Counter[int] = Counter()
            for _ in range(2):
                # A minute may end in between, but not twice within seconds.
                statuses = await asyncio.gather(
                    *(_status(client, key) for key in keys for _ in range(RATE)), return_exceptions=False
                )
                counts = Counter(statuses)
                if counts[200] == RATE * WORKSPACE_RATE:
                    break
            assert counts == {200: RATE * WORKSPACE_RATE, 429: len(keys) * RATE - RATE * WORKSPACE_RATE}


async def _status(client: httpx.AsyncClient, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return (await _send(client, "GET", "/mail/v1/segments", headers=headers)).status_code


@pytest.mark.one_in(2, of="limits under attack")
async def test_guessing_keeps_nobody_out(tally: Tally) -> None:
    """While strangers guess a password, others are answered, and the owner signs in from another address."""
    async with SQLITE.fresh() as url, running(url, "--rate-limits", "off") as live:
        async with newcomer(live) as other:
            beside = Beside(url)
            await set_password(beside, "newcomer")
            await beside.close()
            async with attacker(live, key="") as client:

                async def guess() -> list[int]:
                    body = {"workspace": "newcomer", "password": "not the password"}
                    return [
                        (await _send(client, "POST", "/session", json=body)).status_code
                        for _ in range(GUESSES)
                    ]

                statuses = [
                    status
                    for part in await asyncio.gather(*(guess() for _ in range(GUESSERS)))
                    for status in part
                ]
            body = {"workspace": "newcomer", "password": PASSWORD}
            owner = await asyncio.to_thread(other.call, "POST", "/session", "", body)
        assert owner.is_good, str(owner)
        assert set(statuses) == {401, 429}
        assert statuses.count(401) <= 10
        tally("calls of newcomers beside guesses", "sqlite", len(other.answers))


@pytest.mark.one_in(2, of="limits under attack")
async def test_dates_in_many_attributes(database: Database, tally: Tally) -> None:
    """Relative dates on thousands of attributes do not make each write of a contact slow for others."""
    async with database.fresh() as url, running(url, "--rate-limits", "off") as live:
        async with attacker(live) as client, newcomer(live) as other:
            for first in range(0, DATES, 250):
                rules = [
                    {"field": f"d{number}", "operator": "in_last_days", "value": 7}
                    for number in range(first, first + 250)
                ]
                body = {
                    "name": "dates",
                    "segment_type": "dynamic",
                    "filter_criteria": {"operator": "OR", "rules": rules},
                }
                assert (await _send(client, "POST", "/mail/v1/segments", json=body)).status_code == 201
            for number in range(ATTACKED):
                dates = {
                    f"d{(number * 7 + key) % DATES}": f"2026-01-{1 + key % 28:02}T00:00:00Z"
                    for key in range(DATES_OF_A_CONTACT)
                }
                contact = {"email": f"{number}@example.com", "custom_fields": dates}
                assert (await _send(client, "POST", "/mail/v1/contacts", json=contact)).status_code == 201
        tally("calls of newcomers beside dates", database.name, len(other.answers))
