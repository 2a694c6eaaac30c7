"""The pages of contacts: the newest, those found by an address or a name, and one with all of its parts."""

import html
from typing import Any, Final

import pytest

from diglot.console.pages.people import contacts as contact_list
from support.servers.in_process import Server
from support.servers.people import create, create_list, create_segment, get_contact, send_event
from support.servers.person import sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
HOSTILE: Final = "<script>alert(1)</script>"
PART: Final = {"HX-Request": "true"}
PARTS: Final = ("", "/segments", "/segments-then?at=1", "/other-segments", "/events", "/lists", "/edit")
NOBODY: Final = "018f0000-0000-7000-8000-000000000000"


async def test_the_list_of_contacts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list says what to do first; a longer one has pages, but not without end."""
    monkeypatch.setattr(contact_list, "PER_PAGE", 2)
    monkeypatch.setattr(contact_list, "MAX_PAGES", 2)
    person = await sign_in(server)
    empty = (await person.open("/console/contacts")).text
    assert ("No contacts yet" in empty, "add one by hand" in empty, "curl" in empty) == (True, True, True)
    assert "There are no more contacts" in (await person.open("/console/contacts?page=2")).text
    for number in range(5):
        await create(server, f"n{number}@example.com")
    first = (await person.open("/console/contacts")).text
    assert ("5 contacts" in first, "n4@" in first, "n2@" in first) == (True, True, False)
    second = (await person.open("/console/contacts?page=2")).text
    assert ("n2@" in second, "n0@" in second, "Newer" in second, "Older" in second) == (
        True,
        False,
        True,
        False,
    )
    assert "Write more of the address" in second


async def test_contacts_are_found_by_the_beginning_of_their_address(server: Server) -> None:
    """In any case, by address; a whole address opens its contact, unless htmx asks while somebody types."""
    person = await sign_in(server)
    id_ = await create(server, "Ada@example.com")
    await create(server, "adam@example.com")
    await create(server, "bo@example.com")
    typed = (await person.open("/console/contacts?q=AD", PART)).text
    assert ("Ada@" in typed, "adam@" in typed, "bo@" in typed) == (True, True, False)
    assert typed.index("Ada@") < typed.index("adam@")
    found = await person.open("/console/contacts?q=ada@EXAMPLE.com")
    assert found.headers["location"] == f"/console/contacts/{id_}"
    assert (await person.open("/console/contacts?q=ada@example.com", PART)).status_code == 200
    assert (await person.open("/console/contacts?q=adam")).status_code == 200
    nobody = (await person.open("/console/contacts?q=ada%25")).text
    assert ("begins with" in nobody, "Was this person deleted" in nobody) == (True, False)
    assert "Was this person deleted" in (await person.open("/console/contacts?q=eve@example.com")).text


async def test_contacts_are_found_by_their_names(server: Server) -> None:
    """The button searches all names and addresses; it needs a word, and ignores more than it may look for."""
    person = await sign_in(server)
    await create(server, "x@example.com", first_name="Grace", last_name="Hopper")
    await create(server, "y@example.com")
    found = (await person.open("/console/contacts/search?q=hopp+grace", PART)).text
    assert ("x@example.com" in found, "y@example.com" in found, "1 contact" in found) == (True, False, True)
    assert "No contact has" in (await person.open("/console/contacts/search?q=eve", PART)).text
    assert "Write a part" in (await person.open("/console/contacts/search?q=+", PART)).text
    assert (await person.open(f"/console/contacts/search?q={'a+' * 100}", PART)).status_code == 200


async def test_one_contact(server: Server) -> None:
    """The page shows fields, attributes, tags and the status; its parts show the segments with causes."""
    person = await sign_in(server)
    await create_segment(server, "Everybody")
    other = await create_segment(
        server, "Nobody", {"match": "all", "rules": [{"field": "plan", "operator": "equals", "value": "x"}]}
    )
    more: dict[str, Any] = {
        "first_name": "Ada",
        "tags": ["vip"],
        "attributes": {"plan": "pro", "seats": 3, "is_new": True, "sizes": [1]},
    }
    id_ = await create(server, "ada@example.com", **more)
    page = html.unescape((await person.open(f"/console/contacts/{id_}")).text)
    for text in ("first name", "Ada", "“plan”", "pro", "3", "yes", "[1]", "vip", "1 Mar 2026, 12:00"):
        assert text in page
    assert "May get email" in page
    inside = html.unescape((await person.open(f"/console/contacts/{id_}/segments", PART)).text)
    for text in ("In 1 segment", "Everybody", "the contact was created", "Why?", "1 Mar 2026, 12:00"):
        assert text in inside
    asked = (await person.open(f"/console/contacts/{id_}/other-segments?q=nob", PART)).text
    assert (f"/console/segments/{other}/explain?contact={id_}" in asked, "Everybody" in asked) == (
        True,
        False,
    )
    why = (await person.open(f"/console/segments/{other}/explain?contact={id_}", PART)).text
    assert "What would have to change" in why
    nothing = await person.open(f"/console/contacts/{id_}/other-segments?q=zzz", PART)
    assert "No segment has" in nothing.text


async def test_the_segments_of_a_contact_have_pages(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest segment comes first."""
    monkeypatch.setattr("diglot.console.pages.people.contact.SEGMENTS_PER_PAGE", 1)
    monkeypatch.setattr("diglot.console.pages.people.contact.SEGMENTS_FOUND", 1)
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    path = f"/console/contacts/{id_}/segments"
    assert "in no segment" in (await person.open(path, PART)).text
    assert "no segments yet" in (await person.open(f"/console/contacts/{id_}/other-segments", PART)).text
    for name in ("First", "Second"):
        await create_segment(server, name)
    first = (await person.open(path, PART)).text
    assert ("Second" in first, "First" in first, "Page 1 of 2" in first) == (True, False, True)
    second = (await person.open(f"{path}?page=2", PART)).text
    assert ("First" in second, "Newer" in second, "the segment was created" in second) == (True, True, True)
    assert "1 more" in (await person.open(f"/console/contacts/{id_}/other-segments", PART)).text


async def test_the_events_of_a_contact(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come newest first by page, each with its properties."""
    monkeypatch.setattr("diglot.console.pages.people.contact.EVENTS_PER_PAGE", 1)
    monkeypatch.setattr("diglot.console.pages.people.contact._PROPERTIES_SHOWN", 1)
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    path = f"/console/contacts/{id_}/events"
    assert "No events yet" in (await person.open(path, PART)).text
    await send_event(server, "ada@example.com", "signed.up", {"plan": "pro", "seats": 2})
    await send_event(server, "ada@example.com", "looked", {})
    first = (await person.open(path, PART)).text
    assert ("looked" in first, "signed.up" in first, "2 events" in first) == (True, False, True)
    second = (await person.open(f"{path}?page=2", PART)).text
    for text in ("signed.up", "plan", "pro", "and 1 more", "Newer"):
        assert text in second
    assert "No events on this page" in (await person.open(f"{path}?page=3", PART)).text


async def test_the_segments_at_the_time_of_an_event(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of now without the moves since, as far as the history says."""
    rules: dict[str, Any] = {
        "match": "all",
        "rules": [{"field": "total_opens", "operator": "equals", "value": 0}],
    }
    person = await sign_in(server)
    await create_segment(server, "Quiet", rules)
    await create_segment(server, "Loud", rules | {"rules": [rules["rules"][0] | {"operator": "gt"}]})
    id_ = await create(server, "ada@example.com")
    path, then = f"/console/contacts/{id_}/segments-then", server.now
    server.now += 60_000_000
    await send_event(server, "ada@example.com", "email.opened", {})
    assert f"{path}?at={server.now}" in (await person.open(f"/console/contacts/{id_}/events", PART)).text
    before = (await person.open(f"{path}?at={then}", PART)).text
    assert ("Quiet" in before, "Loud" in before) == (True, False)
    assert "since 1 Mar 2026, 12:00, because the contact was created" in before
    assert "deleted since are not among them" in before
    after = (await person.open(f"{path}?at={server.now}", PART)).text
    assert ("Quiet" in after, "Loud" in after) == (False, True)
    assert "since 1 Mar 2026, 12:01, because the contact was changed" in after
    assert "It is not known" in (await person.open(f"{path}?at=1", PART)).text
    assert "Choose an event" in (await person.open(f"{path}?at=x", PART)).text
    monkeypatch.setattr("diglot.console.pages.people.contact._MOVES_SINCE", 1)
    assert "It is not known" in (await person.open(f"{path}?at={then}", PART)).text


@pytest.mark.parametrize("status", ["unsubscribed", "bounced", "complained"])
async def test_how_a_status_came_about(server: Server, status: str) -> None:
    """The page names the event that told so, or says that none does."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com", status=status)
    path = f"/console/contacts/{id_}"
    assert "No event tells why" in (await person.open(path)).text
    names = {
        "unsubscribed": ["contact.unsubscribed", "email.unsubscribed"],
        "bounced": ["email.bounced"],
        "complained": ["email.complained"],
    }
    for name in names[status]:
        server.now += 60_000_000
        await send_event(server, "ada@example.com", name, {})
    page = (await person.open(path)).text
    assert (f"“{names[status][-1]}”" in page, "No event tells why" in page) == (True, False)


async def test_lists_are_joined_and_left(server: Server) -> None:
    """One list at a time, found by its name; a list that is gone, or was left before, is told."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    path = f"/console/contacts/{id_}/lists"
    assert "On no list" in (await person.open(path, PART)).text
    news, other = await create_list(server, "News"), await create_list(server, "Other")
    found = (await person.open(f"{path}?q=new", PART)).text
    assert ("News" in found, "Other" in found) == (True, False)
    assert "No other list" in (await person.open(f"{path}?q=zzz", PART)).text
    joined = await person.send(path, {"list": news}, PART)
    assert (joined.status_code, "off the list News" in joined.text) == (200, True)
    assert [one["name"] for one in (await get_contact(server, id_))["lists"]] == ["News"]
    left = await person.send(f"{path}/leave", {"list": news}, PART)
    assert (left.status_code, "On no list" in left.text) == (200, True)
    again = await person.send(f"{path}/leave", {"list": news}, PART)
    assert (again.status_code, "not on that list any more" in again.text) == (409, True)
    gone = await person.send(path, {"list": NOBODY}, PART)
    assert (gone.status_code, "does not exist any more" in gone.text) == (409, True)
    assert other in (await person.open(path, PART)).text


async def test_older_lists_are_offered_to_who_is_on_all_new_ones(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a contact is on takes no place among the lists to join."""
    monkeypatch.setattr("diglot.console.pages.people.lists._FOUND", 1)
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    path = f"/console/contacts/{id_}/lists"
    older, newer = await create_list(server, "Older"), await create_list(server, "Newer")
    assert older not in (await person.open(path, PART)).text
    assert older in (await person.send(path, {"list": newer}, PART)).text


async def test_a_dynamic_list_is_not_changed_by_hand(server: Server) -> None:
    """Its contacts follow its conditions; no list of the page is one, but a form may name it."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    key = await server.key("topmail", "one")
    rules = {"match": "all", "rules": [{"field": "email", "operator": "is_set"}]}
    body = {"name": "All", "type": "dynamic", "conditions": rules}
    answer = await server.client.post("/api/v1/lists", json=body, headers={"Authorization": f"Bearer {key}"})
    list_id = answer.json()["data"]["id"]
    for path in ("lists", "lists/leave"):
        refused = await person.send(f"/console/contacts/{id_}/{path}", {"list": list_id}, PART)
        assert (refused.status_code, "dynamic" in refused.text) == (409, True)


async def test_contacts_of_others_do_not_exist(server: Server) -> None:
    """Neither by id, nor by address, nor by name; no form reaches them."""
    id_ = await create(server, "ada@example.com", "two", first_name="Ada")
    person = await sign_in(server)
    own = await create(server, "own@example.com")
    for part in PARTS:
        assert (await person.open(f"/console/contacts/{id_}{part}")).status_code == 404
    for path, fields in (
        ("edit", {"first_name": "Eve", "shown": "{}"}),
        ("delete", {}),
        ("lists", {"list": NOBODY}),
        ("lists/leave", {"list": NOBODY}),
    ):
        assert (await person.send(f"/console/contacts/{id_}/{path}", fields)).status_code == 404
    assert "begins with" in (await person.open("/console/contacts?q=ada@example.com")).text
    assert "No contact has" in (await person.open("/console/contacts/search?q=ada", PART)).text
    theirs = await create_list(server, "Theirs", "two")
    refused = await person.send(f"/console/contacts/{own}/lists", {"list": theirs}, PART)
    assert refused.status_code == 409
    assert (await get_contact(server, id_, "two"))["first_name"] == "Ada"
    missing = await person.open("/console/contacts/x")
    assert (missing.status_code, "There is no such contact" in missing.text) == (404, True)


@pytest.mark.parametrize("text", [HOSTILE, "\u202eevil", "x" * 10_000], ids=["script", "direction", "long"])
async def test_a_hostile_contact_harms_nothing(server: Server, text: str) -> None:
    """Names, tags, keys, values, lists, events and segments are shown as text."""
    person = await sign_in(server)
    more: dict[str, Any] = {
        "first_name": text[:100],
        "tags": [text[:100]],
        "attributes": {text[:50]: text, "list": [text]},
    }
    await create_segment(server, text[:100])
    list_id = await create_list(server, text[:100])
    id_ = await create(server, "ada@example.com", list_id=list_id, **more)
    await send_event(server, "ada@example.com", text[:50], {text[:50]: text})
    paths = [f"/console/contacts/{id_}{part}" for part in PARTS if part != "/edit"]
    for path in (*paths, "/console/contacts", f"/console/contacts?q={'y' * 5_000}"):
        answer = await person.open(path)
        assert (answer.status_code, HOSTILE in answer.text) == (200, False)
        assert len(answer.text) < 12_000
    edit = await person.open(f"/console/contacts/{id_}/edit")
    assert (edit.status_code, HOSTILE in edit.text) == (200, False)
