"""Requests of a person in the console: a copy of everything that is stored, and erasure."""

import json
from typing import Any, Final

import pytest

from diglot.errors import DeadlineExceeded
from diglot.service.contacts.person_requests import PersonRequests
from support.servers.in_process import Server, bearer
from support.servers.people import create, create_segment, get_contact, send_event
from support.servers.person import sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
ADA: Final = "ada@example.com"
PAGE: Final = f"/console/person?email={ADA}"
EXPORT: Final = f"/console/person/export.json?email={ADA}"
ERASE: Final = "/console/person/erase"


async def test_a_person_gets_a_copy(server: Server) -> None:
    """The file has what the command exports: the contact, its segments, its events and its moves."""
    person = await sign_in(server)
    await create_segment(server, "Everybody")
    await create(server, "Ada@example.com", first_name="Ada")
    await create(server, "bo@example.com", first_name="Bo")
    await send_event(server, ADA, "signed.up", {"plan": "pro"})
    page = await person.open(PAGE)
    assert ("Export as JSON" in page.text, "Ada@example.com" in page.text) == (True, True)
    answer = await person.open(EXPORT)
    assert answer.headers["content-disposition"] == 'attachment; filename="person.json"'
    assert (answer.headers["cache-control"], answer.headers["content-type"][:16]) == (
        "no-store",
        "application/json",
    )
    data = json.loads(answer.text)
    assert (data["contact"]["email"], [one["name"] for one in data["segments"]]) == (
        "Ada@example.com",
        ["Everybody"],
    )
    assert ([one["name"] for one in data["events"]], "bo@" in answer.text) == (["signed.up"], False)


async def test_a_copy_that_takes_too_long(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says how the operator makes it."""
    person = await sign_in(server)

    async def exceed(*_: Any) -> Any:
        raise DeadlineExceeded

    monkeypatch.setattr(PersonRequests, "export", exceed)
    monkeypatch.setattr(PersonRequests, "erase", exceed)
    for refused in (await person.open(EXPORT), await person.send(ERASE, {"email": ADA, "typed": ADA})):
        assert (refused.status_code, "diglot contacts erase" in refused.text) == (503, True)


async def test_a_person_is_erased(server: Server) -> None:
    """Only if the address is typed again, in any case."""
    person = await sign_in(server)
    id_ = await create(server, ADA)
    wrong = await person.send(ERASE, {"email": ADA, "typed": "ada@example.org"})
    assert (wrong.status_code, "Nothing was erased" in wrong.text) == (400, True)
    assert ("ada@example.org" in wrong.text, await get_contact(server, id_) is None) == (True, False)
    done = await person.send(ERASE, {"email": ADA, "typed": " ADA@example.com "})
    assert (done.status_code, "1 contact with its events" in done.text) == (200, True)
    assert await get_contact(server, id_) is None
    left = await person.open(PAGE)
    assert (left.status_code, "There is no contact with this address" in left.text) == (200, True)
    again = await person.send(ERASE, {"email": ADA, "typed": ADA})
    assert "0 contacts" in again.text


async def test_files_that_wait_are_told(server: Server) -> None:
    """A file that somebody sent and did not import yet may name the person, before and after erasing."""
    person = await sign_in(server)
    sent = await person.send_file("/console/imports", "<b>.csv", f"email\n{ADA}\n".encode())
    path = sent.headers["location"]
    pages = [(await person.open(PAGE)).text, (await person.send(ERASE, {"email": ADA, "typed": ADA})).text]
    for text in pages:
        assert (f'href="{path}"' in text, "&lt;b&gt;.csv" in text) == (True, True)
    await person.send(f"{path}/cancel", {})
    assert path not in (await person.open(PAGE)).text


async def test_what_is_stored_while_a_person_is_erased(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is kept after the traces were read, and before the lock is taken, is erased, too."""
    person, key = await sign_in(server), await server.key("misar", "one")
    id_ = await create(server, ADA)
    find = PersonRequests._find_traces

    async def find_and_write(self: PersonRequests, *args: Any) -> Any:
        found = await find(self, *args)
        path, headers = f"/mail/v1/contacts/{id_}", {**bearer(key), "Idempotency-Key": "late"}
        answer = await server.client.patch(path, json={"first_name": "Ada"}, headers=headers)
        assert answer.status_code == 200
        return found

    monkeypatch.setattr(PersonRequests, "_find_traces", find_and_write)
    done = await person.send(ERASE, {"email": ADA, "typed": ADA})
    assert ("1 contact with" in done.text, "1 kept answer" in done.text) == (True, True)


async def test_persons_of_others_stay(server: Server) -> None:
    """The same address in another workspace is neither exported nor erased."""
    person, id_ = await sign_in(server), await create(server, ADA, "two", first_name="Secret")
    data = (await person.open(EXPORT)).text
    assert ("Secret" in data, id_ in data, json.loads(data)["contact"]) == (False, False, None)
    assert (await person.send(ERASE, {"email": ADA, "typed": ADA})).status_code == 200
    assert (await get_contact(server, id_, "two"))["first_name"] == "Secret"


@pytest.mark.parametrize("email", ["", "ada", "%3Cscript%3E", "x" * 400 + "@example.com"])
async def test_an_address_is_needed(server: Server, email: str) -> None:
    """Anything else is refused."""
    person = await sign_in(server)
    for path in (f"/console/person?email={email}", f"/console/person/export.json?email={email}"):
        refused = await person.open(path)
        assert (refused.status_code, "Write the whole email address" in refused.text) == (400, True)
