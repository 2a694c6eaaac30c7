"""Two workspaces of one server: a small one, and that of the attacker with what its attack needs."""

from dataclasses import replace
from typing import Any, Final

import httpx
import msgspec

from bench.neighbours import attacks, victim
from support.servers.in_process import bearer
from support.servers.process import ServerProcess

CONTACTS: Final = 50
SCANNED: Final = 20_000
# One page of these contacts is an answer of 6 MB.
LARGE: Final = 100
LARGE_BYTES: Final = 60_000
_AT_ONCE: Final = 5_000
_SECONDS: Final = 120.0


class Tenant:
    """A client that prepares a workspace."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self._headers = bearer(key)

    async def post(self, path: str, body: Any) -> Any:
        answer = await self._client.post(path, headers=self._headers, json=body)
        if answer.status_code not in (200, 201):
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer.json().get("data")


async def prepare_victim(live: ServerProcess, seconds: float) -> victim.Task:
    """Fill the small workspace: some contacts, and a segment of each of three kinds of conditions."""
    place = replace(live, workspace="victim")
    misar, topmail = await place.key("misar"), await place.key("topmail")
    async with httpx.AsyncClient(base_url=live.base, timeout=_SECONDS) as client:
        tenant = Tenant(client, misar)
        contacts = [
            await tenant.post("/mail/v1/contacts", {"email": f"v{number}@example.com", "tags": ["vip"]})
            for number in range(CONTACTS)
        ]
        rules = (
            {"field": "tags", "operator": "contains", "value": "vip"},
            {"field": "first_name", "operator": "is_not_empty"},
            {"field": "created_at", "operator": "in_last_days", "value": 7},
        )
        made = [
            await tenant.post(
                "/mail/v1/segments",
                {"name": rule["field"], "segment_type": "dynamic", "filter_criteria": {"rules": [rule]}},
            )
            for rule in rules
        ]
    ids = [contact["id"] for contact in contacts]
    port = int(live.base.rpartition(":")[2])
    return victim.Task(port, misar, topmail, ids, made[0]["id"], seconds, "alone")


async def prepare_attacker(live: ServerProcess, attack: str, scanned: int = SCANNED) -> attacks.Task:
    """Fill the attacker's workspace with the contacts that are scanned, or with large ones."""
    key = await replace(live, workspace="attacker").key("misar")
    async with httpx.AsyncClient(base_url=live.base, timeout=_SECONDS) as client:
        tenant = Tenant(client, key)
        if attack == "dry runs":
            for first in range(0, scanned, _AT_ONCE):
                await tenant.post("/mail/v1/contacts/import", {"contacts": _scanned(first)})
        if attack == "deaf":
            for number in range(LARGE):
                large = {"email": f"l{number}@example.com", "custom_fields": {"text": "x" * LARGE_BYTES}}
                await tenant.post("/mail/v1/contacts", large)
    return attacks.Task(attack, int(live.base.rpartition(":")[2]), key)


def _scanned(first: int) -> list[dict[str, Any]]:
    return [
        {
            "email": f"s{number}@example.com",
            "last_name": f"Lovelace {number % 83}",
            "company": f"Analytical {number % 97}",
            "custom_fields": {"city": f"City {number % 89}", "note": "met at the fair"},
        }
        for number in range(first, first + _AT_ONCE)
    ]


def encode(task: msgspec.Struct) -> str:
    """Return a task as the argument of its process."""
    return msgspec.json.encode(task).decode()
