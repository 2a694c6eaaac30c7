"""Limits of a workspace: parallel requests do not exceed them, and what they count never drifts."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from diglot.settings import Settings
from diglot.storage.connect import create_engine
from diglot.storage.schema import keys as key_table
from diglot.storage.schema import lists, segments, workspaces
from diglot.storage.sql.statement import Statement
from support.servers.in_process import Server, bearer

SERVING = {"now": 1_772_366_410_000_000, "max_segments": 7, "max_rules": 12, "max_keys": 4, "max_lists": 5}
RULE = {"field": "status", "operator": "equals", "value": "bounced"}
CALLERS = 12
STEPS = 120


def body(rules: int, name: str = "a") -> dict[str, Any]:
    """Return a segment or a dynamic list."""
    return {"name": name, "conditions": {"match": "all", "rules": [RULE] * rules}}


async def rows(url: str, *columns: Any) -> list[Any]:
    """Return the rows of a table."""
    engine = create_engine(url)
    await engine.open()
    try:
        return [tuple(row) for row in await engine.read(lambda tx: tx.fetch_all(Statement(select(*columns))))]
    finally:
        await engine.close()


@pytest.mark.parametrize(
    ("path", "sent", "fit"),
    [
        ("segments", body(1), 7),
        ("segments", body(5), 2),
        ("lists", {"name": "a"}, 5),
        ("keys", {"name": "a"}, 3),
    ],
)
async def test_parallel_requests_do_not_exceed_a_limit(
    server: Server, path: str, sent: dict[str, Any], fit: int
) -> None:
    """Of twelve at once exactly as many succeed as fit; the others say what the limit is."""
    dialect, prefix = ("misar", "/mail/v1") if path == "keys" else ("topmail", "/api/v1")
    key = bearer(await server.key(dialect, "one"))
    answers = await asyncio.gather(
        *(
            server.client.post(f"{prefix}/{path}", headers=key, json={**sent, "name": f"n{n}"})
            for n in range(CALLERS)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: fit, 403: CALLERS - fit}
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert "A workspace has at most" in refused.text


async def test_the_counts_are_those_of_the_rows(server: Server) -> None:
    """After any requests, of which many are refused, the row of a workspace counts what it has."""
    rng = Random(7)
    key = bearer(await server.key("topmail", "one"))
    ids: dict[str, list[str]] = {"segments": [], "lists": []}
    statuses: Counter[int] = Counter()
    for number in range(STEPS):
        kind = rng.choice(["segments", "lists"])
        sent = body(rng.randrange(5), f"{number}") if rng.random() < 0.8 else {"name": f"{number}"}
        known = rng.choice(ids[kind]) if ids[kind] else None
        if known is None or rng.random() < 0.5:
            answer = await server.client.post(f"/api/v1/{kind}", headers=key, json=sent)
            if answer.is_success:
                ids[kind].append(answer.json()["data"]["id"])
        elif rng.random() < 0.6:
            answer = await server.client.patch(f"/api/v1/{kind}/{known}", headers=key, json=sent)
        else:
            answer = await server.client.delete(f"/api/v1/{kind}/{known}", headers=key)
            ids[kind].remove(known)
        statuses[answer.status_code] += 1
    assert min(statuses[status] for status in (200, 201, 403)) > 5, statuses
    columns = workspaces.c.segment_count, workspaces.c.list_count, workspaces.c.rule_count
    counted = [sum(column) for column in zip(*await rows(server.url, *columns), strict=True)]
    assert counted == [
        len(await rows(server.url, segments.c.segment)),
        len(await rows(server.url, lists.c.list)),
        sum(tree.count('"predicate"') for (tree,) in await rows(server.url, segments.c.tree)),
    ]


async def test_ended_keys_do_not_pile_up(server: Server) -> None:
    """Whoever creates and revokes keys without end leaves as many rows as a workspace may have keys."""
    key = bearer(await server.key("misar", "one"))
    ended = []
    for number in range(9):
        created = await server.client.post("/mail/v1/keys", headers=key, json={"name": f"{number}"})
        assert created.status_code == 201
        ended.append(created.json()["keyId"])
        server.now += 1
        assert (await server.client.delete(f"/mail/v1/keys/{ended[-1]}", headers=key)).is_success
    stored = {id_ for (id_,) in await rows(server.url, key_table.c.id)}
    assert set(ended) & stored == set(ended[-5:])


def test_an_operator_gets_at_least_a_thousand_segments_of_ten_rules() -> None:
    """The defaults are no obstacle to a large workspace, and contacts are limited only if asked for."""
    limits = Settings().workspace_limits
    assert limits.segments >= 1_000
    assert limits.rules >= 10_000
    assert limits.contacts == 0
