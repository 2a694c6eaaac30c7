"""Creating, editing and deleting a contact: only what a person changed, nothing by accident, nothing lost."""

import html
import re
from collections.abc import Mapping
from typing import Any, Final

import pytest

from diglot.console.pages.people import contact_form
from diglot.errors import LimitReached
from diglot.service.contacts import contacts
from support.servers.in_process import Server
from support.servers.people import change, create, get_contact
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
_INPUT: Final = re.compile(r'<input(?=[^>]*\bname="([^"]*)")(?:[^>]*\bvalue="([^"]*)")?[^>]*>')
_TEXTAREA: Final = re.compile(r'<textarea[^>]*\bname="([^"]*)"[^>]*>\n(.*?)</textarea>', re.DOTALL)
_SELECT: Final = re.compile(r'<select[^>]*\bname="([^"]*)".*?</select>', re.DOTALL)
_SELECTED: Final = re.compile(r'<option(?: value="([^"]*)")? selected>([^<]*)')
NEW: Final = {"email": "ada@example.com", "status": "unsubscribed", "shown": "{}"}


def read_fields(page: str) -> dict[str, str]:
    """Return what a browser would send of the form of a page if nothing is changed."""
    form = page[page.index('class="edit"') :]
    fields = {
        found[1]: html.unescape(found[2] or "")
        for found in _INPUT.finditer(form)
        if 'type="checkbox"' not in found[0]
    }
    fields |= {name: html.unescape(text) for name, text in _TEXTAREA.findall(form)}
    for found in _SELECT.finditer(form):
        chosen = _SELECTED.search(found[0])
        fields[found[1]] = "" if chosen is None else (chosen[1] or chosen[2])
    return fields


async def open_form(person: Person, id_: str) -> dict[str, str]:
    """Open the form of a contact, and return its fields."""
    page = await person.open(f"/console/contacts/{id_}/edit")
    assert page.status_code == 200
    return read_fields(page.text)


def index_of(fields: Mapping[str, str], key: str) -> str:
    """Return the beginning of the names of an attribute's inputs."""
    found = next(name for name, value in fields.items() if name.endswith(".key") and value == key)
    return found.removesuffix("key")


async def test_an_edit_writes_what_was_changed(server: Server) -> None:
    """Fields, attributes with types, tags and figures; what was not touched stays as others left it."""
    person = await sign_in(server)
    attributes: dict[str, Any] = {"plan": "pro", "seats": 3, "old": "x", "on": True, "sizes": [1, 2]}
    id_ = await create(server, "Ada@example.com", first_name="Ada", tags=["a", "b"], attributes=attributes)
    fields = await open_form(person, id_)
    assert (fields["email"], fields["status"], fields["tags"]) == ("Ada@example.com", "subscribed", "a\nb")
    await change(server, id_, {"company": "Acme", "attributes": {"other": 1}})
    fields |= {
        "first_name": "Augusta",
        "last_name": "King",
        "tags": "b\n\n c ",
        "total_orders": "0",
        "total_spent": "12.5",
        "last_opened_at": "2026-01-02T03:04",
        f"{index_of(fields, 'seats')}text": "4",
        f"{index_of(fields, 'on')}text": "No",
        f"{index_of(fields, 'sizes')}text": "[3]",
        f"{index_of(fields, 'old')}remove": "yes",
        f"{index_of(fields, '')}key": "score",
        f"{index_of(fields, '')}type": "number",
        f"{index_of(fields, '')}text": "2.5",
    }
    saved = await person.send(f"/console/contacts/{id_}/edit", fields)
    assert saved.headers["location"] == f"/console/contacts/{id_}?saved=yes"
    assert "The contact is saved" in (await person.open(saved.headers["location"])).text
    shown = await get_contact(server, id_)
    assert shown["attributes"] == {
        "plan": "pro",
        "seats": 4,
        "on": False,
        "sizes": [3],
        "score": 2.5,
        "other": 1,
    }
    names = ("email", "first_name", "last_name", "company", "tags", "total_spent", "last_opened_at", "status")
    assert [shown[name] for name in names] == [
        *("Ada@example.com", "Augusta", "King", "Acme", ["b", "c"], 12.5),
        *("2026-01-02T03:04:00.000Z", "subscribed"),
    ]


async def test_a_form_that_is_sent_as_it_is_writes_nothing(server: Server) -> None:
    """Whatever the values look like: line ends, figures and moments come back as they were shown."""
    person = await sign_in(server)
    more: dict[str, Any] = {
        "first_name": "A\r\nB",
        "attributes": {"text": "\nfirst\r\nsecond\rthird ", "number": 1e300, "deep": {"a": [None]}},
        "total_spent": 0.1,
        "last_opened_at": "2026-01-02T03:04:05Z",
    }
    id_ = await create(server, "ada@example.com", **more)
    before = await get_contact(server, id_)
    server.now += 1_000_000
    fields = await open_form(person, id_)
    # A browser has no line ends in a field of one line, and one kind of them in others.
    fields["first_name"] = fields["first_name"].replace("\r", "").replace("\n", "")
    assert (await person.send(f"/console/contacts/{id_}/edit", fields)).status_code == 303
    assert await get_contact(server, id_) == before


async def test_two_people_edit_one_contact(server: Server) -> None:
    """What another person changed meanwhile is not overwritten unseen; sending again is a decision."""
    person = await sign_in(server)
    id_ = await create(server, "ada@example.com", first_name="Ada", attributes={"plan": "pro", "gone": "x"})
    fields = await open_form(person, id_)
    plan, gone, blank = (index_of(fields, key) for key in ("plan", "gone", ""))
    await change(server, id_, {"first_name": "Bo", "attributes": {"plan": "team", "gone": None, "new": "a"}})
    fields |= {"first_name": "Cy", f"{plan}text": "free", f"{gone}text": "y"}
    fields |= {f"{blank}key": "new", f"{blank}text": "b"}
    refused = await person.send(f"/console/contacts/{id_}/edit", fields)
    assert refused.status_code == 409
    page = html.unescape(refused.text)
    for text in (
        "Somebody changed this",
        "<bdi>Bo</bdi>",
        "<bdi>team</bdi>",
        "<em>empty</em>",
        "<bdi>a</bdi>",
    ):
        assert text in page
    assert (await get_contact(server, id_))["first_name"] == "Bo"
    again = read_fields(refused.text)
    assert (again["first_name"], again[f"{plan}text"]) == ("Cy", "free")
    assert (await person.send(f"/console/contacts/{id_}/edit", again)).status_code == 303
    shown = await get_contact(server, id_)
    assert (shown["first_name"], shown["attributes"]) == ("Cy", {"plan": "free", "gone": "y", "new": "b"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("email", "x", "Invalid email"),
        ("first_name", "x" * 101, "at most 100"),
        ("total_orders", "many", "Expected"),
        ("total_opens", "", "Expected"),
        ("engagement_score", "101", "100"),
        ("last_opened_at", "2030-01-01T00:00", "future"),
        ("last_clicked_at", "soon", "Invalid date"),
        ("tags", "x" * 101, "1 to 100 characters"),
        ("status", "gone", "Expected"),
    ],
)
async def test_faults_are_shown_beside_their_fields(
    server: Server, name: str, value: str, message: str
) -> None:
    """Nothing is written, and nothing that was typed is lost."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    fields = await open_form(person, id_) | {"company": "Typed & kept", name: value, "consent": "yes"}
    refused = await person.send(f"/console/contacts/{id_}/edit", fields)
    assert refused.status_code == 400
    assert message.lower() in html.unescape(refused.text).lower()
    again = read_fields(refused.text)
    assert again["company"] == "Typed & kept"
    if name != "status":
        assert again[name] == value
    assert (await get_contact(server, id_))["company"] is None


@pytest.mark.parametrize(
    ("key", "kind", "text", "message"),
    [
        ("", "text", "x", "Write a name"),
        ("plan", "text", "x", "already"),
        ('a"b', "text", "x", "no control character"),
        ("n", "number", "many", "Write a number"),
        ("n", "yes or no", "maybe", "Write yes or no"),
        ("n", "list or object", "[", "Write JSON"),
        ("n", "list or object", "3", "Write a list"),
        ("n", "list or object", "[1e999]", ""),
        ("n", "number", "1" * 400, ""),
    ],
)
async def test_faults_of_attributes(server: Server, key: str, kind: str, text: str, message: str) -> None:
    """They are shown in the row of the attribute."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com", attributes={"plan": "pro"})
    fields = await open_form(person, id_)
    row = index_of(fields, "")
    fields |= {f"{row}key": key, f"{row}type": kind, f"{row}text": text}
    refused = await person.send(f"/console/contacts/{id_}/edit", fields)
    assert (refused.status_code, message in html.unescape(refused.text)) == (400, True)
    assert 'class="fault"' in refused.text
    assert read_fields(refused.text)[f"{row}text"] == text
    assert (await get_contact(server, id_))["attributes"] == {"plan": "pro"}


async def test_an_address_of_another_contact(server: Server) -> None:
    """It is refused beside the address, by the form of a new contact, too."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    await create(server, "bo@example.com")
    fields = await open_form(person, id_) | {"email": "Bo@example.com"}
    refused = await person.send(f"/console/contacts/{id_}/edit", fields)
    assert (refused.status_code, "already exists" in refused.text) == (400, True)
    refused = await person.send("/console/contacts/new", NEW)
    assert (refused.status_code, "already exists" in refused.text) == (400, True)


async def test_nobody_is_subscribed_by_accident(server: Server) -> None:
    """A status is raised with a tick that says what it means, and lowered without."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com", status="complained")
    path = f"/console/contacts/{id_}/edit"
    fields = await open_form(person, id_)
    for status in ("bounced", "unsubscribed", "subscribed"):
        refused = await person.send(path, fields | {"status": status})
        assert (refused.status_code, "Confirm the email status" in refused.text) == (400, True)
        assert (await get_contact(server, id_))["status"] == "complained"
    done = await person.send(path, fields | {"status": "subscribed", "consent": "yes"})
    assert (done.status_code, (await get_contact(server, id_))["status"]) == (303, "subscribed")
    # The tick of a form that was opened before somebody opted out raises nothing.
    opened = await open_form(person, id_)
    await change(server, id_, {"status": "unsubscribed"})
    late = await person.send(path, opened | {"first_name": "Ada", "consent": "yes"})
    assert (late.status_code, (await get_contact(server, id_))["status"]) == (303, "unsubscribed")
    lowered = await person.send(path, await open_form(person, id_) | {"status": "complained"})
    assert (lowered.status_code, (await get_contact(server, id_))["status"]) == (303, "complained")
    raised = await person.send(path, opened | {"status": "bounced", "consent": "yes"})
    assert (raised.status_code, (await get_contact(server, id_))["status"]) == (409, "complained")


async def test_a_contact_is_added(server: Server) -> None:
    """Its status is chosen, and a subscription confirmed; faults keep what was typed."""
    person, path = await sign_in(server), "/console/contacts/new"
    assert "Choose…" in (await person.open(path)).text
    unchosen = await person.send(path, NEW | {"status": "", "first_name": "Ada"})
    assert (unchosen.status_code, "Choose whether" in unchosen.text, "Ada" in unchosen.text) == (
        400,
        True,
        True,
    )
    assert (await person.send(path, {"shown": "{}"})).status_code == 400
    unconfirmed = await person.send(path, NEW | {"status": "subscribed"})
    assert (unconfirmed.status_code, "Confirm the email status" in unconfirmed.text) == (400, True)
    more = {"tags": "a", "attribute.0.key": "seats", "attribute.0.type": "number", "attribute.0.text": "0"}
    done = await person.send(path, NEW | more | {"status": "subscribed", "consent": "yes"})
    assert done.status_code == 303
    shown = await get_contact(server, done.headers["location"].split("/")[-1].partition("?")[0])
    assert (shown["status"], shown["tags"], shown["attributes"]) == ("subscribed", ["a"], {"seats": 0})
    other = await person.send(path, NEW | {"email": "bo@example.com"})
    shown = await get_contact(server, other.headers["location"].split("/")[-1].partition("?")[0])
    assert shown["status"] == "unsubscribed"


async def test_a_full_workspace(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is told above the form."""

    def refuse(kind: str, limit: int, current: int) -> None:
        del limit, current
        raise LimitReached(kind, 1, 1)

    monkeypatch.setattr(contacts, "require_room", refuse)
    refused = await (await sign_in(server)).send("/console/contacts/new", NEW)
    assert (refused.status_code, "at most 1 contacts" in refused.text) == (400, True)


async def test_a_contact_is_deleted(server: Server) -> None:
    """It leads to the list."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    done = await person.send(f"/console/contacts/{id_}/delete", {})
    assert (done.headers["location"], await get_contact(server, id_)) == ("/console/contacts", None)
    assert (await person.open(f"/console/contacts/{id_}")).status_code == 404


async def test_long_and_many_attributes_stay_as_they_are(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a form leaves out is not written, and a new row cannot overwrite it unseen."""
    monkeypatch.setattr(contact_form, "_MAX_ATTRIBUTES", 2)
    attributes = {"a": "1", "b": "2", "c": "3"}
    person, id_ = await sign_in(server), await create(server, "ada@example.com", attributes=attributes)
    fields = await open_form(person, id_)
    row = index_of(fields, "")
    fields |= {f"{row}key": "c", f"{row}text": "4", f"{index_of(fields, 'a')}text": "5"}
    refused = await person.send(f"/console/contacts/{id_}/edit", fields)
    assert (refused.status_code, "leaves out 1 attribute" in refused.text) == (409, True)
    assert (await get_contact(server, id_))["attributes"] == attributes
    await change(server, id_, {"attributes": {"a": "x" * 70_000}})
    page = await person.open(f"/console/contacts/{id_}/edit")
    assert (len(page.text) < 50_000, "leaves out 3 attributes" in page.text) == (True, True)


async def test_a_tag_of_several_lines_is_left_to_the_api(server: Server) -> None:
    """The form has one tag on each line, so it leaves the tags as they are."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com", tags=["a\nb"])
    fields = await open_form(person, id_)
    assert "tags" not in fields
    assert (await person.send(f"/console/contacts/{id_}/edit", fields | {"company": "x"})).status_code == 303
    assert (await get_contact(server, id_))["tags"] == ["a\nb"]


@pytest.mark.parametrize("shown", ["[", "[]", '{"email": 1}'])
async def test_a_damaged_form(server: Server, shown: str) -> None:
    """It is refused, because nobody knows what its person saw."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    refused = await person.send(f"/console/contacts/{id_}/edit", {"shown": shown, "email": "x@example.com"})
    assert (refused.status_code, "open the page again" in refused.text) == (400, True)


async def test_other_sites_change_nothing(server: Server) -> None:
    """Each form needs the token of the session."""
    person, id_ = await sign_in(server), await create(server, "ada@example.com")
    for path in (
        "/console/contacts/new",
        f"/console/contacts/{id_}/edit",
        f"/console/contacts/{id_}/delete",
        f"/console/contacts/{id_}/lists",
        f"/console/contacts/{id_}/lists/leave",
        "/console/person/erase",
    ):
        fields = NEW | {"csrf_token": "", "typed": "ada@example.com", "first_name": "Eve"}
        assert (await person.send(path, fields)).status_code == 403
    assert (await get_contact(server, id_))["first_name"] is None
