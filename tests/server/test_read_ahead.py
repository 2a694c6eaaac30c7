"""A new segment is read, and its statement built, ahead of the transaction that holds the lock."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from diglot.api.call import SHORT_OBJECT
from diglot.api.input import request_body
from diglot.storage.contacts import scans
from diglot.storage.sql.sqlite_dialect import SQLITE
from support import canonical
from support.servers.in_process import Server, bearer, serving

RULES = 60
PATHS = {"misar": "/mail/v1/segments", "topmail": "/api/v1/segments"}
each_dialect = pytest.mark.parametrize("dialect", ["misar", "topmail"])


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server of the test's own."""
    async with serving(url) as lent:
        yield lent


class Calls:
    """The calls of a function, which still does its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self.count = 0
        self._function: Callable[..., Any] = getattr(module, name)
        monkeypatch.setattr(module, name, self._note)

    def _note(self, *values: Any, **named: Any) -> Any:
        self.count += 1
        return self._function(*values, **named)


def test_statements_built_ahead_are_bounded_by_bytes() -> None:
    """A condition counts with its lists, of which each is one value of its statement."""
    made = [
        canonical.read(
            {"field": "attributes.x", "operator": "in", "operand": [f"{n} {m}" for m in range(5_000)]}, "UTC"
        )
        for n in range(80)
    ]
    for node in made:
        scans.build_ahead(node, SQLITE, ZoneInfo("UTC"))
    kept = [node for node in made if scans._built_ahead.get(id(node)) is not None]
    assert 0 < len(kept) < len(made)
    assert made[-1] in kept


def segment(dialect: str, *first: dict[str, object], rules: int = RULES) -> dict[str, Any]:
    """Return a segment of many rules; who has one of some attributes is a member."""
    fields = [f"custom_fields.key_of_a_segment_{number}" for number in range(rules)]
    if dialect == "topmail":
        fields = [name.replace("custom_fields", "attributes") for name in fields]
    rest = [{"field": name, "operator": "equals", "value": "x"} for name in fields]
    if dialect == "topmail":
        return {"name": "many", "conditions": {"match": "any", "rules": [*first, *rest]}}
    criteria = {"operator": "OR", "rules": [*first, *rest]}
    return {"name": "many", "segment_type": "dynamic", "filter_criteria": criteria}


@each_dialect
async def test_a_segment_is_read_and_built_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """What is built ahead is what the transaction runs, and a retry runs nothing."""
    headers = {**bearer(await server.key(dialect, "one")), "Idempotency-Key": "i"}
    read, built = Calls(monkeypatch, request_body, "parse_object"), Calls(monkeypatch, scans, "build_scan")
    for replayed in (None, "true"):
        answer = await server.client.post(PATHS[dialect], headers=headers, json=segment(dialect))
        assert answer.status_code == 201, answer.text
        assert len(answer.request.content) > SHORT_OBJECT
        assert answer.headers.get("idempotency-replayed") == replayed
    assert (read.count, built.count) == (2, 2), "each request is read before it is known to be a retry"


@each_dialect
async def test_what_depends_on_the_instant_is_built_in_the_transaction(
    server: Server, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """The instant of a unit is known once it has its lock."""
    built = Calls(monkeypatch, scans, "build_scan")
    dated: dict[str, object] = {"field": "created_at", "operator": "in_last_days", "value": 7}
    headers = bearer(await server.key(dialect, "one"))
    answer = await server.client.post(PATHS[dialect], headers=headers, json=segment(dialect, dated))
    assert answer.status_code == 201, answer.text
    assert built.count == 1


@each_dialect
@pytest.mark.parametrize("rules", [1, RULES])
async def test_faults_are_those_of_the_body(
    server: Server, monkeypatch: pytest.MonkeyPatch, dialect: str, rules: int
) -> None:
    """A body that was read ahead is refused as one that is read in the transaction, and read once."""
    headers = {**bearer(await server.key(dialect, "one")), "Idempotency-Key": "i"}
    read = Calls(monkeypatch, request_body, "parse_object")
    wrong: dict[str, object] = {"field": "created_at", "operator": "in_last_days", "value": "x"}
    refused = await server.client.post(
        PATHS[dialect], headers=headers, json=segment(dialect, wrong, rules=rules)
    )
    assert refused.status_code in (400, 422)
    assert "rules.0.value" in refused.text
    assert read.count == 1
    again = await server.client.post(PATHS[dialect], headers=headers, json=segment(dialect, rules=rules))
    assert again.status_code == 201, "the refused request left its key free"
