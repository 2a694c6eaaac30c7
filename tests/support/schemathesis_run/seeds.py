"""The contents of the workspace before a run: resources whose ids the generators draw now and then.

A generator that knows no contact adds none to a list; most calls would only ever be answered with a 404.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx

_TOPMAIL: Final = {"match": "all", "rules": [{"field": "email", "operator": "is_set"}]}
_MISAR: Final = {"operator": "AND", "rules": [{"field": "email", "operator": "is_not_empty"}]}
_HOOK: Final = "http://127.0.0.1:9/nobody"
# The resources to create in each dialect: kind, path, bodies.
_MADE: Final[Mapping[str, tuple[tuple[str, str, tuple[dict[str, Any], ...]], ...]]] = {
    "misar": (
        ("contact", "/mail/v1/contacts", tuple({"email": f"seed{n}@example.com"} for n in range(8))),
        (
            "segment",
            "/mail/v1/segments",
            tuple(
                {"name": f"Seed {kind} {n}", "segment_type": kind, "filter_criteria": _MISAR}
                for n in range(2)
                for kind in ("dynamic", "static")
            ),
        ),
        ("webhook", "/mail/v1/webhooks", ({"url": _HOOK, "events": ["contact.created"]},)),
    ),
    "topmail": (
        (
            "contact",
            "/api/v1/contacts",
            tuple({"email": f"seed{n}@example.com", "tags": ["Seed"]} for n in range(8)),
        ),
        ("segment", "/api/v1/segments", tuple({"name": f"Seed {n}", "conditions": _TOPMAIL} for n in "123")),
        (
            "list",
            "/api/v1/lists",
            (
                *({"name": f"Seed {n}"} for n in "123"),
                {"name": "Seed", "type": "dynamic", "conditions": _TOPMAIL},
            ),
        ),
        ("tag", "/api/v1/tags", tuple({"name": f"Seed {n}"} for n in "12")),
    ),
}
# Parameters that take ids of each kind.
_ASKED: Final = {
    "contact": (
        *("path.contact_id", "query.contact", "body.contact_id"),
        *("body.contact_ids[*]", "body.ids[*]", "body.contactIds[*]"),
    ),
    "segment": ("path.segment_id", "query.segment_id", "body.segment_id"),
    "list": ("path.list_id", "query.list_id", "body.list_id"),
    "tag": ("path.tag_id",),
    "webhook": ("path.webhook_id",),
}
# A body often has several ids, and the call changes all of them or none.
_SHARES: Final = {"path": 0.6, "query": 0.4, "body": 0.9}


async def create_resources(dialect: str, base: str, key: str) -> Mapping[str, list[str]]:
    """Create resources of each kind in the workspace of a key, and return their ids."""
    headers = {"Authorization": f"Bearer {key}"}
    results: dict[str, list[str]] = {}
    async with httpx.AsyncClient(base_url=base, headers=headers) as client:
        for kind, path, bodies in _MADE[dialect]:
            for body in bodies:
                answer = await client.post(path, json=body)
                answer.raise_for_status()
                results.setdefault(kind, []).append(answer.json()["data"]["id"])
        if dialect == "topmail":
            await _join(client, results)
    return results


async def _join(client: httpx.AsyncClient, ids: dict[str, list[str]]) -> None:
    """Add the contacts to the static lists, and find the tag that came with them."""
    for list_id in ids["list"][:3]:
        answer = await client.post(f"/api/v1/lists/{list_id}/members", json={"contact_ids": ids["contact"]})
        answer.raise_for_status()
    answer = await client.get("/api/v1/tags", params={"search": "Seed"})
    ids["tag"] = [tag["id"] for tag in answer.json()["data"] if tag["contact_count"]] + ids["tag"][:1]


def settings(ids: Mapping[str, list[str]]) -> str:
    """Return the settings that make generators draw these ids for a share of the parameters."""
    lines: list[str] = []
    for kind, known in ids.items():
        lines += [f"[dictionaries.{kind}]", f"values = {known}", ""]
        for place in _ASKED[kind]:
            lines += [
                f'[parameters."{place}"]',
                f'dictionary = "{kind}"',
                f"probability = {_SHARES[place.partition('.')[0]]}",
                "",
            ]
    return "\n".join(lines)
