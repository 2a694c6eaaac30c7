"""The vendor's client from PyPI, unmodified, against a server process: sync methods and async twins."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from inspect import isawaitable
from typing import Any

import misarmail  # type: ignore[import-untyped]
import pytest

from support.engines import Database
from support.servers.process import ServerProcess

VIP = {"operator": "AND", "rules": [{"field": "status", "operator": "equals", "value": "subscribed"}]}
PAGES = {"page": 1, "limit": 50, "total": 2, "total_pages": 1, "totalPages": 1}


@dataclass(frozen=True)
class Twin:
    """One half of the client: its plain methods, or those with `a` before their name."""

    client: misarmail.MisarMailClient
    prefix: str

    async def contacts(self, method: str, *arguments: Any) -> Any:
        """Call a method of `client.contacts`."""
        return await _awaited(getattr(self.client.contacts, f"{self.prefix}{method}"), *arguments)

    async def keys(self, method: str, *arguments: Any) -> Any:
        """Call a method of `client.keys`."""
        return await _awaited(getattr(self.client.keys, f"{self.prefix}{method}"), *arguments)

    async def members(self, *arguments: Any) -> Any:
        """Call `client.segments.members`."""
        return await _awaited(getattr(self.client.segments, f"{self.prefix}members"), *arguments)

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Call the function below all methods, because other segment calls have no method."""
        return await _awaited(getattr(self.client, f"_{self.prefix}request"), method, path, body)


async def _awaited(function: Callable[..., Any], *arguments: Any) -> Any:
    result = function(*arguments)
    return await result if isawaitable(result) else result


@pytest.fixture(params=["", "a"], ids=["sync", "async"])
def prefix(request: pytest.FixtureRequest) -> str:
    """Return the prefix of the method names."""
    return str(request.param)


async def _twin(live: ServerProcess, prefix: str, scopes: tuple[str, ...] = ()) -> Twin:
    key = await live.key("misar", scopes=scopes)
    return Twin(misarmail.MisarMailClient(key, base_url=f"{live.base}/mail/v1"), prefix)


async def _fails(status: int, text: str, function: Callable[..., Any], *arguments: Any) -> None:
    with pytest.raises(misarmail.MisarMailError) as raised:
        await function(*arguments)
    assert raised.value.status == status
    assert str(raised.value) == f"misar-mail: API error {status} (api_error): {text}"
    assert raised.value.is_unauthorized == (status == 401)


def test_the_client_has_the_checked_version() -> None:
    """A new version of the client has to be checked before this test accepts it."""
    assert version("misarmail") == "5.0.4"


async def test_contacts_and_segments(
    live: ServerProcess, prefix: str, tally: Any, database: Database
) -> None:
    """Contacts are created, segmented, updated and deleted, and the counts follow."""
    twin = await _twin(live, prefix)
    ids = []
    for number in range(3):
        contact = {"email": f"Ada{number}@example.com", "firstName": "Ada — “é”", "tags": ["vip"]}
        created = await twin.contacts("create", contact)
        assert created["success"] is True
        assert created["data"]["email"] == f"Ada{number}@example.com"
        assert created["data"]["first_name"] == "Ada — “é”"
        ids.append(created["data"]["id"])
    segment = (await twin.request("POST", "/segments", _segment()))["data"]
    assert segment["contact_count"] == 3
    members = await twin.members(segment["id"])
    assert members["data"] == {"segment_id": segment["id"], "contact_ids": ids[::-1]}
    second = await twin.members(segment["id"], 2, 2)
    assert second["data"]["contact_ids"] == ids[:1]
    pages = {"page": 2, "limit": 2, "total": 3, "totalPages": 2, "total_pages": 2}
    assert second["pagination"].items() >= pages.items()
    await _shrink(twin, segment["id"], ids)
    tally("examples run through misarmail", database.name, 1)


def _segment() -> dict[str, Any]:
    return {"name": "VIP", "segment_type": "dynamic", "filter_criteria": VIP}


async def _shrink(twin: Twin, segment: str, ids: list[str]) -> None:
    changed = await twin.contacts("update", "ADA0@example.com", {"status": "unsubscribed"})
    assert (changed["data"]["id"], changed["data"]["status"]) == (ids[0], "unsubscribed")
    refreshed = await twin.request("POST", f"/segments/{segment}/refresh")
    assert refreshed["data"]["contact_count"] == 2
    assert (await twin.members(segment))["data"]["contact_ids"] == [ids[2], ids[1]]
    assert (await twin.contacts("get", ids[0]))["data"]["status"] == "unsubscribed"
    assert await twin.contacts("delete", ids[1]) == {"success": True}
    assert (await twin.request("GET", f"/segments/{segment}/preview"))["data"]["total_matching"] == 1
    assert (await twin.request("GET", f"/segments/{segment}"))["data"]["contact_count"] == 1
    assert await twin.request("DELETE", f"/segments/{segment}") == {"success": True}
    await _fails(404, "Segment not found", twin.members, segment)
    listed = await twin.contacts("list")
    assert [item["id"] for item in listed["data"]] == [ids[2], ids[0]]
    assert listed["pagination"] == PAGES
    assert (await twin.contacts("list", 2, 1))["data"][0]["id"] == ids[0]


async def test_an_import(live: ServerProcess, prefix: str) -> None:
    """An import creates, updates and rejects contacts; unsubscribed contacts stay unsubscribed."""
    twin = await _twin(live, prefix)
    await twin.contacts("create", {"email": "old@example.com", "status": "unsubscribed"})
    contacts = [
        {"email": "new@example.com", "firstName": "New", "customFields": {"plan": "pro"}, "tags": ["a"]},
        {"email": "OLD@example.com", "firstName": "Old"},
        {"email": "nobody"},
    ]
    done = await twin.contacts("import_contacts", {"contacts": contacts, "updateExisting": True})
    assert done == {
        "success": True,
        "summary": {"imported": 1, "updated": 1, "skipped": 0, "errors": 1},
        "errors": ["contacts.2.email: Invalid email"],
        "imported": 1,
        "updated": 1,
        "skipped": 0,
        "failed": 1,
        "custom_field_columns": [],
        "warnings": [],
    }
    listed = (await twin.contacts("list"))["data"]
    assert [(item["email"], item["first_name"], item["status"]) for item in listed] == [
        ("new@example.com", "New", "subscribed"),
        ("old@example.com", "Old", "unsubscribed"),
    ]


async def test_errors_reach_the_caller(live: ServerProcess, prefix: str) -> None:
    """400, 401, 403, 404 and 409 become the client's own errors, with the server's text."""
    twin = await _twin(live, prefix)
    await _fails(
        400,
        "Validation failed: email: Expected string, received number",
        twin.contacts,
        "create",
        {"email": 5},
    )
    await _fails(400, "Validation failed: email: Invalid email", twin.contacts, "update", "nobody", {})
    await _fails(404, "Contact not found", twin.contacts, "get", "a/b c")
    await _fails(404, "Contact not found", twin.contacts, "delete", "a/b c")
    await _fails(404, "Contact not found", twin.contacts, "update", "ada@example.com", {})
    await _fails(404, "Segment not found", twin.members, "seg_1")
    await twin.contacts("create", {"email": "ada@example.com"})
    conflict = "A contact with this email already exists"
    await _fails(409, conflict, twin.contacts, "create", {"email": "ADA@example.com"})
    weak = await _twin(live, prefix, ("send",))
    await _fails(403, "API key does not have 'contacts' scope", weak.contacts, "list")
    stranger = Twin(misarmail.MisarMailClient(f"msk_{'0' * 64}", base_url=f"{live.base}/mail/v1/"), prefix)
    missing = "Invalid or missing API key. Use: Authorization: Bearer msk_..."
    await _fails(401, missing, stranger.contacts, "list")


async def test_keys(live: ServerProcess, prefix: str, tally: Any, database: Database) -> None:
    """A key creates another key, which works, is listed and read, revokes itself and is then rejected."""
    twin = await _twin(live, prefix)
    wanted = {"name": "Nightly sync", "scopes": ["contacts"], "expiresAt": "2099-01-01T00:00:00Z"}
    created = await twin.keys("create", wanted)
    assert list(created) == ["success", "key", "keyId", "prefix", "name", "scopes", "createdAt", "expiresAt"]
    assert (created["prefix"], created["expiresAt"]) == (created["key"][:12], "2099-01-01T00:00:00Z")
    other = Twin(misarmail.MisarMailClient(created["key"], base_url=f"{live.base}/mail/v1"), prefix)
    assert (await other.contacts("list"))["data"] == []
    shown = (await other.keys("list"))["keys"]
    assert shown[0]["name"] == "Nightly sync"
    assert (await twin.keys("get", created["keyId"]))["key"] == shown[0]
    assert shown[0]["last_used_at"] is not None
    assert created["key"] not in str(shown)
    await _fails(
        403, "API key does not have 'send' scope", other.keys, "create", wanted | {"scopes": ["send"]}
    )
    assert await other.keys("revoke", created["keyId"]) == {"success": True}
    await _fails(
        401, "Invalid or missing API key. Use: Authorization: Bearer msk_...", other.contacts, "list"
    )
    assert (await twin.keys("get", created["keyId"]))["key"]["is_active"] is False
    await _fails(404, "API key not found", twin.keys, "revoke", "nothing")
    tally("examples run through misarmail", database.name, 1)
