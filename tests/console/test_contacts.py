"""The pages of contacts: the newest, one by its address, and its segments."""

import html
from typing import Any, Final

import pytest

from support.servers.in_process import Server, bearer
from support.servers.person import sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
HOSTILE: Final = "<script>alert(1)</script>"


async def create(server: Server, email: str, workspace: str = "one", **more: Any) -> str:
    """Create a contact by a key, and return its id."""
    key = await server.key("topmail", workspace)
    answer = await server.client.post("/api/v1/contacts", json={"email": email} | more, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


async def test_the_list_of_contacts(server: Server) -> None:
    """An empty list says what to do first; a longer one has pages."""
    person = await sign_in(server)
    assert "No contacts yet" in (await person.open("/console/contacts")).text
    for number in range(26):
        await create(server, f"n{number}@example.com")
    first = (await person.open("/console/contacts")).text
    assert ("26 contacts" in first, "n25@" in first, "n0@" in first) == (True, True, False)
    second = (await person.open("/console/contacts?page=2")).text
    assert ("n0@" in second, "Newer" in second) == (True, True)


async def test_a_contact_is_found_by_its_address(server: Server) -> None:
    """The address may be in other letters; an unknown one is told."""
    person = await sign_in(server)
    id_ = await create(server, "Ada@example.com")
    found = await person.open("/console/contacts?q=ada@EXAMPLE.com")
    assert found.headers["location"] == f"/console/contacts/{id_}"
    assert "No contact has" in (await person.open("/console/contacts?q=bo@example.com")).text


async def test_one_contact(server: Server) -> None:
    """The page shows fields, attributes, tags and segments, with when and why the contact entered them."""
    person = await sign_in(server)
    key = await server.key("topmail", "one")
    rules = {"match": "all", "rules": [{"field": "email", "operator": "is_set"}]}
    body = {"name": "Everybody", "conditions": rules}
    await server.client.post("/api/v1/segments", json=body, headers=bearer(key))
    more: dict[str, Any] = {"first_name": "Ada", "tags": ["vip"], "attributes": {"plan": "pro", "seats": 3}}
    id_ = await create(server, "ada@example.com", **more)
    page = html.unescape((await person.open(f"/console/contacts/{id_}")).text)
    for text in ("first name", "Ada", "“plan”", "pro", "3", "vip", "Everybody", "contact created", "Why?"):
        assert text in page
    assert "1 Mar 2026, 12:00" in page
    missing = await person.open("/console/contacts/x")
    assert (missing.status_code, "There is no such contact" in missing.text) == (404, True)


async def test_contacts_of_others_do_not_exist(server: Server) -> None:
    """Neither by id nor by address."""
    id_ = await create(server, "ada@example.com", "two")
    person = await sign_in(server)
    assert (await person.open(f"/console/contacts/{id_}")).status_code == 404
    assert "No contact has" in (await person.open("/console/contacts?q=ada@example.com")).text


@pytest.mark.parametrize("text", [HOSTILE, "\u202eevil", "x" * 10_000], ids=["script", "direction", "long"])
async def test_a_hostile_contact_harms_nothing(server: Server, text: str) -> None:
    """Names, tags, keys and values are shown as text."""
    person = await sign_in(server)
    more: dict[str, Any] = {
        "first_name": text[:100],
        "tags": [text[:100]],
        "attributes": {text[:50]: text, "list": [text]},
    }
    id_ = await create(server, "ada@example.com", **more)
    for path in (f"/console/contacts/{id_}", "/console/contacts", f"/console/contacts?q={'y' * 5_000}"):
        answer = await person.open(path)
        assert (answer.status_code, HOSTILE in answer.text) == (200, False)
        assert len(answer.text) < 10_000
