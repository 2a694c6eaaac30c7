"""Runs the lines of the vendors' pages with bash and node.

Only the host, the key and SEGMENT_ID are replaced.
"""

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.engines import Database
from support.openapi.exchanges import difference
from support.reporting import Tally
from support.servers.in_process import bearer
from support.servers.process import ServerProcess

pytestmark = pytest.mark.clients

FOLDER = Path(__file__).parent
SECONDS = 30
CRITERIA: dict[str, Any] = {
    "operator": "AND",
    "rules": [
        {"field": "status", "operator": "equals", "value": "subscribed"},
        {"field": "created_at", "operator": "after", "value": "2026-01-01"},
        {"field": "tags", "operator": "contains", "value": "early-adopter"},
    ],
}
NAME = "Active subscribers — Q1 2026"
ABOUT = "Subscribed after Jan 1 with early-adopter tag"
CONDITIONS: dict[str, Any] = {
    "match": "all",
    "rules": [
        {"field": "engagement_score", "operator": "gte", "value": 50},
        {"field": "subscribed", "operator": "equals", "value": True},
    ],
}


def lines(file: str, replaced: dict[str, str]) -> list[str]:
    """Return the documented lines of a file, with the placeholders replaced."""
    text = (FOLDER / file).read_text("utf-8").strip()
    for what, by in replaced.items():
        assert what in text
        text = text.replace(what, by)
    return text.split("\n\n")


async def run(*command: str, folder: Path) -> str:
    """Run a program and return what it printed; a missing program fails the test."""
    program = shutil.which(command[0])
    assert program is not None, f"{command[0]} is needed"
    result = await asyncio.create_subprocess_exec(
        program, *command[1:], stdout=PIPE, stderr=PIPE, env={"PATH": _path(), "CURL_HOME": str(folder)}
    )
    out, err = await asyncio.wait_for(result.communicate(), SECONDS)
    assert result.returncode == 0, err.decode()
    return out.decode()


def _path() -> str:
    folders = [Path(result).parent for name in ("bash", "curl", "node") if (result := shutil.which(name))]
    return ":".join(str(folder) for folder in dict.fromkeys(folders))


async def curl(line: str, folder: Path) -> tuple[int, Any]:
    """Run a curl line unmodified; curl's own settings file makes it print the status too."""
    (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
    body, _, status = (await run("bash", "-c", line, folder=folder)).rpartition("\n")
    return int(status), json.loads(body)


async def node(line: str, folder: Path) -> tuple[int, Any]:
    """Run a fetch line unmodified, then print its result."""
    script = f"{line}\nconsole.log(JSON.stringify([res.status, data]));"
    status, data = json.loads(await run("node", "--input-type=module", "--eval", script, folder=folder))
    return int(status), data


async def make(live: ServerProcess, key: str, contacts: Sequence[dict[str, Any]]) -> None:
    """Create contacts in Topmail's words."""
    async with httpx.AsyncClient(base_url=live.base, headers=bearer(key)) as client:
        for contact in contacts:
            answer = await client.post("/api/v1/contacts", json=contact)
            assert answer.status_code == 201, answer.text


def _segment(name: str, description: str | None) -> dict[str, Any]:
    return {
        "id": "<seg id>",
        "name": name,
        "description": description,
        "segment_type": "dynamic",
        "filter_criteria": CRITERIA,
        "contact_count": 1,
        "last_calculated_at": "<rfc3339 s>",
        "created_at": "<rfc3339 s>",
        "updated_at": "<rfc3339 s>",
        # Extensions, next to the fields on the vendor's page.
        "count_as_of": "<rfc3339 s>",
        "revision": 1,
        "next_change_at": None,
        "warnings": [],
    }


def _listed(limit: int, descriptions: Sequence[str | None]) -> dict[str, Any]:
    dropped = ("filter_criteria", "updated_at")
    whole = [_segment(NAME, description) for description in descriptions]
    items = [{key: part for key, part in item.items() if key not in dropped} for item in whole]
    pagination = {"page": 1, "limit": limit, "total": len(items), "total_pages": 1}
    return {"segments": items, "pagination": pagination}


async def test_the_lines_of_misars_page(
    live: ServerProcess, tmp_path: Path, database: Database, tally: Tally
) -> None:
    """The two curl lines and the two fetch lines of the page list and create segments."""
    replaced = {"https://api.misar.io": live.base, "msk_...": await live.key("misar")}
    await make(live, await live.key("topmail"), [{"email": "a@example.com", "tags": ["early-adopter"]}])
    await make(live, await live.key("topmail"), [{"email": "b@example.com", "tags": ["late-adopter"]}])
    listing, creating = lines("misar-curl.txt", replaced)
    assert await curl(listing, tmp_path) == (200, {"success": True, "data": _listed(20, [])})
    status, created = await curl(creating, tmp_path)
    assert (status, difference({"success": True, "data": _segment(NAME, ABOUT)}, created)) == (201, None)
    fetching, posting = lines("misar-fetch.txt", replaced)
    status, data = await node(posting, tmp_path)
    assert (status, difference(_segment(NAME, None), data)) == (201, None)
    status, data = await node(fetching, tmp_path)
    both = _listed(20, [None, ABOUT])
    assert (status, difference(both, data)) == (200, None)
    status, listed = await curl(listing, tmp_path)
    assert (status, difference({"success": True, "data": both}, listed)) == (200, None)
    assert [segment["id"] for segment in listed["data"]["segments"]] == [
        item["id"] for item in data["segments"]
    ]
    tally("documented lines run", database.name, 5)


PERSON = {"email": "vip@example.com", "engagement_score": 50}
ASLEEP = {"email": "asleep@example.com", "engagement_score": 49.5}
GONE = {"email": "gone@example.com", "engagement_score": 90, "subscribed": False}


async def test_the_lines_of_topmails_page(
    live: ServerProcess, tmp_path: Path, database: Database, tally: Tally
) -> None:
    """The seven curl lines of the page create, list, show, rename, estimate, page and delete a segment."""
    key = await live.key("topmail")
    await make(live, key, [PERSON, ASLEEP, GONE])
    replaced = {"https://api.topmail.so": live.base, "tm_live_abc123": key}
    creating = lines("topmail-curl.txt", replaced)[2]
    status, created = await curl(creating, tmp_path)
    segment: dict[str, Any] = {"id": "<uuid>", "name": "Engaged Subscribers", "conditions": CONDITIONS}
    segment |= {"created_at": "<rfc3339 ms>", "updated_at": "<rfc3339 ms>"}
    # Extensions, next to the fields on the vendor's page.
    segment |= {"revision": 1, "next_change_at": None, "warnings": []}
    assert (status, difference({"data": segment}, created)) == (201, None)
    known = replaced | {"SEGMENT_ID": created["data"]["id"]}
    listing, getting, _, renaming, deleting, estimating, paging = lines("topmail-curl.txt", known)
    found_none = {"total": 0, "limit": 10, "offset": 0, "has_more": False}
    assert await curl(listing, tmp_path) == (200, {"data": [], "pagination": found_none})
    assert await curl(getting, tmp_path) == (200, created)
    status, renamed = await curl(renaming, tmp_path)
    new_name: dict[str, Any] = {"data": segment | {"name": "Top Engaged Subscribers"}}
    assert (status, difference(new_name, renamed)) == (200, None)
    counted: dict[str, Any] = {"count_as_of": "<rfc3339 ms>", "revision": 1}
    estimate = {"count": 1, "estimated_count": 1, **counted, "warnings": []}
    status, estimated = await curl(estimating, tmp_path)
    assert (status, difference({"data": estimate}, estimated)) == (200, None)
    status, page = await curl(paging, tmp_path)
    assert (status, [item["email"] for item in page["data"]]) == (200, ["vip@example.com"])
    window: dict[str, Any] = {"total": 1, "limit": 50, "offset": 0, "has_more": False}
    assert difference(window | counted, page["pagination"]) is None
    assert await curl(deleting, tmp_path) == (200, {"data": {"success": True}})
    assert (await curl(getting, tmp_path))[0] == 404
    tally("documented lines run", database.name, 8)


async def test_the_lines_of_topmails_tracking_pages(
    live: ServerProcess, tmp_path: Path, database: Database, tally: Tally
) -> None:
    """The line of the conversions page lists purchases; that of the tracking page records a product view."""
    key = await live.key("topmail")
    await make(live, key, [{"email": "shopper@example.com"}])
    replaced = {"https://api.topmail.so": live.base, "tm_live_abc123": key}
    listing, viewing = lines("topmail-tracking-curl.txt", replaced)
    status, view = await curl(viewing, tmp_path)
    expected: dict[str, Any] = {
        "id": "<uuid>",
        "contact_id": "<uuid>",
        "product_id": "prod_abc123",
        "product_name": "Premium Wireless Headphones",
        "viewed_at": "<rfc3339 ms>",
    }
    assert (status, difference({"data": expected}, view)) == (201, None)
    status, purchases = await curl(listing, tmp_path)
    none = {"data": [], "pagination": {"total": 0, "limit": 50, "offset": 0, "has_more": False}}
    assert (status, purchases) == (200, none)
    tally("documented lines run", database.name, 2)
