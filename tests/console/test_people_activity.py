"""The page of activity: who entered and left which segment, and why."""

import html
from typing import Any, Final

import pytest

from diglot.console.causes import say_cause
from diglot.console.pages.people import activity
from diglot.model.membership_changes import Cause
from support.servers.in_process import Server, bearer
from support.servers.people import change, create, create_segment
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
PART: Final = {"HX-Request": "true"}
PRO: Final = {"match": "all", "rules": [{"field": "plan", "operator": "equals", "value": "pro"}]}
CHANGES: Final = "/console/activity/changes"


async def read_part(person: Person, query: str = "") -> str:
    """Return the changes that a query asks for."""
    answer = await person.open(f"{CHANGES}?{query}", PART)
    assert answer.status_code == 200
    return html.unescape(answer.text)


async def test_who_moved_and_why(server: Server) -> None:
    """The newest change comes first, with its time, contact, segment and cause; filters take away others."""
    person = await sign_in(server)
    assert "Nobody entered or left a segment" in await read_part(person)
    pro, everybody = await create_segment(server, "Pro", PRO), await create_segment(server, "Everybody")
    server.now += 60_000_000
    ada = await create(server, "ada@example.com", attributes={"plan": "pro"})
    bo = await create(server, "bo@example.com")
    server.now += 60_000_000
    await change(server, ada, {"attributes": {"plan": "free"}})
    page = await person.open("/console/activity")
    assert ("Activity" in page.text, 'aria-current="page">Activity' in page.text) == (True, True)
    shown = await read_part(person)
    assert [shown.count(text) for text in (">entered<", ">left<", "the contact was created")] == [3, 1, 3]
    assert shown.index(">left<") < shown.index(">entered<")
    for text in ("1 Mar 2026, 12:02", "ada@example.com", f"/console/segments/{everybody}", "was changed"):
        assert text in shown
    of_pro = await read_part(person, f"segment={pro}")
    assert ("Everybody" in of_pro, of_pro.count("ada@example.com"), "bo@" in of_pro) == (False, 2, False)
    of_bo = await read_part(person, f"contact={bo}")
    assert ("Pro" in of_bo, "bo@" in of_bo, of_bo.count(">entered<")) == (False, False, 1)
    both = await read_part(person, f"contact={ada}&segment={pro}")
    assert (both.count(">entered<"), both.count(">left<")) == (1, 1)
    neither = await read_part(person, f"contact={bo}&segment={pro}")
    assert "This contact entered or left no segment" in neither


async def test_pages_of_changes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page continues where the one before it ended."""
    monkeypatch.setattr(activity, "PER_PAGE", 2)
    person = await sign_in(server)
    everybody = await create_segment(server, "Everybody")
    for number in range(5):
        await create(server, f"n{number}@example.com")
    for query in ("", f"segment={everybody}"):
        seen: list[str] = []
        more = query
        while True:
            text = await read_part(person, more)
            seen += [f"n{number}" for number in reversed(range(5)) if f"n{number}@" in text]
            if "until=" not in text:
                break
            more = text.split("changes?")[-1].partition('"')[0]
        assert seen == ["n4", "n3", "n2", "n1", "n0"]
    assert "no older changes" in await read_part(person, "until=0")
    assert "n4@" in await read_part(person, "until=x")


async def test_deleted_contacts_and_segments(server: Server) -> None:
    """A deleted contact has no name left; a deleted segment is left out."""
    person = await sign_in(server)
    key = await server.key("topmail", "one")
    gone = await create_segment(server, "Gone")
    await create_segment(server, "Everybody")
    ada = await create(server, "ada@example.com")
    await server.client.delete(f"/api/v1/contacts/{ada}", headers=bearer(key))
    await server.client.delete(f"/api/v1/segments/{gone}", headers=bearer(key))
    shown = await read_part(person)
    assert ("a deleted contact" in shown, "the contact was deleted" in shown) == (True, True)
    assert ("ada@" in shown, "Gone" in shown) == (False, False)


async def test_a_change_through_another_segment(server: Server) -> None:
    """The cause names the segment that the rules name."""
    person = await sign_in(server)
    pro = await create_segment(server, "Pro", PRO)
    rules = {"match": "all", "rules": [{"field": "segments", "operator": "equals", "value": pro}]}
    key = await server.key("topmail", "one")
    body: dict[str, Any] = {"name": "Through", "conditions": rules}
    answer = await server.client.post("/api/v1/segments", json=body, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    await create(server, "ada@example.com", attributes={"plan": "pro"})
    shown = await read_part(person, f"segment={answer.json()['data']['id']}")
    assert ("which the rules name" in shown, pro in shown) == (True, True)


async def test_filters_by_names(server: Server) -> None:
    """A segment is named by a part of its name or its id, a contact by its address or its id."""
    person = await sign_in(server)
    vip, gold = await create_segment(server, "Vip"), await create_segment(server, "Gold vip")
    ada = await create(server, "ada@example.com")
    for query, text in (
        ("segment=gold", f"segment={gold}"),
        ("segment=Vip", f"segment={vip}"),
        (f"segment={vip}", 'value="Vip"'),
        ("contact=ADA@example.com", f"contact={ada}"),
        (f"contact={ada}", 'value="ada@example.com"'),
        ("segment=vip", "Which segment?"),
        (f"segment=vip&contact={ada}", f"segment={gold}&contact={ada}"),
        ("segment=zzz", "No segment has this name"),
        (f"segment={ada}", "No segment has this name"),
        ("contact=zzz", "No contact has this address"),
        (f"contact={vip}", "No contact has this address"),
    ):
        assert text in html.unescape((await person.open(f"/console/activity?{query}")).text), query
    for query in ("segment=x", f"segment={ada}", "contact=x", f"contact={vip}"):
        assert (await person.open(f"{CHANGES}?{query}", PART)).status_code == 404


async def test_the_activity_of_others(server: Server) -> None:
    """Neither their changes nor their names are shown."""
    segment, ada = (
        await create_segment(server, "Theirs", workspace="two"),
        await create(server, "ada@example.com", "two"),
    )
    person = await sign_in(server)
    assert "ada@" not in await read_part(person)
    for query in (f"segment={segment}", f"contact={ada}"):
        assert (await person.open(f"{CHANGES}?{query}", PART)).status_code == 404
        assert "No " in (await person.open(f"/console/activity?{query}")).text


def test_every_cause_has_words() -> None:
    """Each is the end of a sentence."""
    assert all(say_cause(cause) for cause in Cause)
