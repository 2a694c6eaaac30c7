"""The rule builder over HTTP: new segments, changes of one with a review before, counts, and pasted rules."""

import html
from typing import Any, Final

import pytest

from diglot.errors import DeadlineExceeded
from diglot.model.ids import parse_id
from diglot.model.segments import Segment
from diglot.service.audience.segments import Segments
from diglot.storage.contacts import dry_run_counts
from support.servers.in_process import Server, bearer, serving
from support.servers.page_form import PageForm, read_page_form
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
DAY: Final = 86_400_000_000
SERVING: Final = {"now": NOW}
PART: Final = {"HX-Request": "true"}
NEW: Final = "/console/segments/new"
BUILD: Final = "/console/segments/build"
SCRIPT: Final = "<script>alert(1)</script>"
HOSTILE: Final = (SCRIPT, "\u202eevil", "x" * 1_000, '"><img src=x>', "{{ 1111111 * 9 }}")
ORDERS: Final = (("c-0.family", "total_orders"), ("c-0.operator", "gte"), ("c-0.type", "number"))

IN_SEGMENTS: Final = (("c-0.family", "segments"), ("c-0.operator", "in"), ("c-0.type", "segment"))


async def call(server: Server, method: str, path: str, body: Any = None, workspace: str = "one") -> Any:
    """Call the API by a key, and return the data of the answer."""
    key = await server.key("topmail", workspace)
    answer = await server.client.request(method, f"/api/v1{path}", json=body, headers=bearer(key))
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["data"]


async def create_contacts(server: Server) -> None:
    """Create three contacts with 1, 3 and 5 orders."""
    for name, orders in (("ada", 5), ("bo", 3), ("cy", 1)):
        contact = {"email": f"{name}@example.com", "total_orders": orders, "attributes": {"plan": "pro"}}
        await call(server, "POST", "/contacts", contact | {"tags": ["vip"]})
        server.now += 1


async def create_segment(server: Server, *rules: Any, workspace: str = "one", **more: Any) -> str:
    """Create a segment by a key, and return its id."""
    body = {"name": "Buyers", "conditions": {"match": "all", "rules": list(rules)}} | more
    return str((await call(server, "POST", "/segments", body, workspace))["id"])


async def open_form(person: Person, path: str) -> PageForm:
    """Open a page of the builder, and return its form."""
    answer = await person.open(path)
    assert answer.status_code == 200, answer.text
    return read_page_form(answer.text, "builder")


async def act(person: Person, form: PageForm, action: str) -> PageForm:
    """Press a button of the form, or choose, and return the form that takes its place."""
    answer = await person.send(BUILD, [("do", action), *form.pairs], PART)
    assert answer.status_code == 200, answer.text
    assert "<html" not in answer.text
    return read_page_form(answer.text, "builder")


async def say(person: Person, form: PageForm, part: str) -> str:
    """Return a part that arrives after the form."""
    answer = await person.send(f"{BUILD}/{part}", form.pairs, PART)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def at_least(orders: int) -> dict[str, Any]:
    """Return a rule about orders."""
    return {"field": "total_orders", "operator": "gte", "value": orders}


async def test_a_segment_is_built_and_created(server: Server) -> None:
    """Each choice brings the inputs that fit; the counts arrive; the segment is created with its rules."""
    await create_contacts(server)
    person = await sign_in(server)
    assert f'href="{NEW}"' in (await person.open("/console")).text
    form = await open_form(person, NEW)
    assert {"c-0.family", "type", "name"} <= form.names()
    assert "c-0.operator" not in form.names()
    form = await act(person, form.fill(("c-0.family", "total_orders")), "choose:c-0")
    assert form.get("c-0.operator") == "gte"
    told = await say(person, form, "check")
    # A count of rules that were complete before is taken away.
    assert ("Fill in a value" in told, 'id="counts-shown"' in told, 'id="n-c-0"' in told) == (True,) * 3
    assert await say(person, form, "counts") == ""
    form = form.fill(("c-0.value", "3"), ("name", "Buyers"))
    answer = await person.send(f"{BUILD}/check", form.pairs, PART)
    assert answer.headers["hx-trigger"] == "rules-valid"
    told = html.unescape(answer.text)
    assert ('"operator": "gte"' in told, '"match": "all"' in told, '"operator": "AND"' in told) == (
        (True,) * 3
    )
    counted = await say(person, form, "counts")
    assert 'id="n-c-0" hx-swap-oob="true"' in counted
    assert ("<strong>2</strong> contacts" in counted, "ada@" in counted, "cy@" in counted) == (
        True,
        True,
        False,
    )
    created = await person.send(NEW, form.pairs, PART)
    path = created.headers["hx-redirect"]
    page = await person.open(path)
    assert (page.status_code, "Buyers" in page.text, ">2</span>" in page.text) == (200, True, True)
    assert f'href="{path}/edit"' in page.text


async def test_groups_and_events_are_built(server: Server) -> None:
    """Rules nest, and a rule about events may say which of them count."""
    person = await sign_in(server)
    form = await act(person, await open_form(person, NEW), "add-group:c")
    form = form.fill(("c-0.family", "attribute:plan"), ("c-1-0.family", "events.count"))
    form = await act(person, form, "choose:c-1-0")
    assert "c-1-0.window" not in form.names()
    form = await act(person, form.fill(("c-1-0.unit", "d")), "choose:c-1-0")
    assert "c-1-0.window" in form.names()
    form = await act(person, form, "add-where:c-1-0")
    form = form.fill(
        ("name", "Shoes"),
        ("c-1-0.name", "purchase"),
        ("c-1-0.window", "30"),
        ("c-1-0.value", "2"),
        ("c-1-0-w-0.name", "category"),
        ("c-1-0-w-0.value", "shoes"),
    )
    form = await act(person, form, "remove:c-0")
    told = await say(person, form, "check")
    assert ('"events.purchase.count.30d"' in told, '"category"' in told, "No contact has had" in told) == (
        (True,) * 3
    )
    created = await person.send(NEW, form.pairs)
    shown = await call(server, "GET", f"/segments/{created.headers['location'].rpartition('/')[2]}")
    (group,) = shown["conditions"]["rules"]
    assert (group["match"], group["rules"][0]["where"]["rules"][0]["value"]) == ("any", "shoes")


async def test_what_contacts_have_is_suggested(server: Server) -> None:
    """Attributes, tags, lists, segments, events and values of recent contacts are there to choose."""
    await create_contacts(server)
    segment = await create_segment(server, at_least(3))
    list_id = (await call(server, "POST", "/lists", {"name": "Press"}))["id"]
    person = await sign_in(server)
    form = await open_form(person, NEW)
    page = (await person.open(NEW)).text
    assert '<option value="attribute:plan">plan (text)</option>' in page
    assert '<option value="vip">' in page
    for family, value in (("segments", segment), ("lists", list_id), ("status", "bounced")):
        chosen = await person.send(
            BUILD, [("do", "choose:c-0"), *form.fill(("c-0.family", family)).pairs], PART
        )
        assert f'value="{value}"' in chosen.text
    chosen = await person.send(
        BUILD, [("do", "choose:c-0"), *form.fill(("c-0.family", "attribute:plan")).pairs], PART
    )
    assert ('list="examples-0"' in chosen.text, '<option value="pro">' in chosen.text) == (True, True)


async def test_a_change_is_shown_before_it_is_saved(server: Server) -> None:
    """Saving rules takes two steps: who enters and leaves, then the change; each name alone takes one."""
    await create_contacts(server)
    id_ = await create_segment(server, at_least(4))
    person, edit = await sign_in(server), f"/console/segments/{id_}/edit"
    form = await open_form(person, edit)
    assert (form.get("description"), form.get("c-0.value")) == ("", "4")
    renamed = await person.send(edit, form.fill(("name", "Best buyers"), ("description", "Big")).pairs)
    assert renamed.headers["location"] == f"/console/segments/{id_}"
    changed = form.fill(("c-0.operator", "lte"), ("c-0.value", "3"))
    counted = await say(person, changed, "counts")
    assert ("2 would enter" in counted, "1 would leave" in counted, "ada@" in counted) == (True, True, True)
    asked = await person.send(edit, changed.pairs, PART)
    assert ("Save these rules?" in asked.text, "2 would enter" in asked.text) == (True, True)
    assert (await call(server, "GET", f"/segments/{id_}"))["conditions"]["rules"] == [at_least(4)]
    reviewed = read_page_form(asked.text, "builder")
    # A change after the review is reviewed again.
    again = await person.send(edit, reviewed.fill(("c-0.value", "2")).pairs, PART)
    assert "1 would enter" in again.text
    saved = await person.send(edit, reviewed.pairs, PART)
    assert saved.headers["hx-redirect"] == f"/console/segments/{id_}"
    stored = await call(server, "GET", f"/segments/{id_}")
    assert stored["conditions"]["rules"] == [{"field": "total_orders", "operator": "lte", "value": 3}]
    # The form had the name as it was before; nobody changed it there.
    assert stored["name"] == "Best buyers"


async def test_saving_unchanged_changes_nothing(server: Server) -> None:
    """The stored text, the revision and the members stay, in the words in which the rules were sent."""
    await create_contacts(server)
    odd = {"value": ["a\nb", ""], "operator": "not_in_list", "field": "plan"}
    id_ = await create_segment(server, {"value": 3, "field": "total_orders", "operator": "gte"}, odd)
    before = await call(server, "GET", f"/segments/{id_}")
    server.now += DAY
    person, edit = await sign_in(server), f"/console/segments/{id_}/edit"
    form = await open_form(person, edit)
    assert '"a\\nb"' in form.get("c-1.json")
    assert (await person.send(edit, form.pairs)).headers["location"] == f"/console/segments/{id_}"
    assert await call(server, "GET", f"/segments/{id_}") == before


async def test_the_rules_of_somebody_else_are_not_lost_unseen(server: Server) -> None:
    """Who saves over a change that came after the page is told."""
    id_ = await create_segment(server, at_least(4))
    person, edit = await sign_in(server), f"/console/segments/{id_}/edit"
    form = await open_form(person, edit)
    asked = read_page_form((await person.send(edit, form.fill(("c-0.value", "7")).pairs)).text, "builder")
    await call(server, "PATCH", f"/segments/{id_}", {"conditions": {"match": "all", "rules": [at_least(2)]}})
    told = await person.send(edit, asked.pairs)
    assert "Somebody changed the rules" in told.text
    saved = await person.send(edit, read_page_form(told.text, "builder").pairs)
    assert saved.headers["location"] == f"/console/segments/{id_}"


async def test_only_changed_texts_are_written(server: Server) -> None:
    """A name that somebody else gave meanwhile stays, and so do the lines of a description."""
    headers = bearer(await server.key("misar", "one"))
    body = {
        "name": "Old",
        "segment_type": "dynamic",
        "description": "first\nsecond",
        "filter_criteria": {"operator": "AND", "rules": []},
    }
    made = await server.client.post("/mail/v1/segments", json=body, headers=headers)
    assert made.status_code == 201, made.text
    path = f"/mail/v1/segments/{made.json()['data']['id']}"
    person = await sign_in(server)
    edit = f"/console/segments/{parse_id(made.json()['data']['id'])}/edit"
    form = await open_form(person, edit)
    assert form.get("description") == "firstsecond"
    await server.client.patch(path, json={"name": "Renamed"}, headers=headers)
    for sent, description in ((form, "first\nsecond"), (form.fill(("description", "")), None)):
        assert (await person.send(edit, sent.pairs)).status_code == 303
        stored = (await server.client.get(path, headers=headers)).json()["data"]
        assert (stored["name"], stored["description"]) == ("Renamed", description)


async def test_rules_that_change_while_they_are_saved(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is saved replaces only the rules that the review was about."""
    id_ = await create_segment(server, at_least(4))
    person, edit = await sign_in(server), f"/console/segments/{id_}/edit"
    changed = (await open_form(person, edit)).fill(("c-0.value", "7"))
    reviewed = read_page_form((await person.send(edit, changed.pairs)).text, "builder")
    rules, get = {"match": "all", "rules": [at_least(2)]}, Segments.get

    async def get_before_a_change(*args: Any) -> Segment:
        segment = await get(*args)
        monkeypatch.undo()
        await call(server, "PATCH", f"/segments/{id_}", {"conditions": rules})
        return segment

    monkeypatch.setattr(Segments, "get", get_before_a_change)
    told = await person.send(edit, reviewed.pairs)
    assert (told.status_code, "Somebody changed the rules" in told.text) == (200, True)
    assert (await call(server, "GET", f"/segments/{id_}"))["conditions"] == rules


async def test_a_static_segment(server: Server) -> None:
    """Rules fill it once; other rules fill it anew, which the page says before."""
    await create_contacts(server)
    person = await sign_in(server)
    form = (await act(person, (await open_form(person, NEW)).fill(*ORDERS), "choose:c-0")).fill(
        ("name", "Hand"), ("type", "static"), ("c-0.value", "3")
    )
    path = (await person.send(NEW, form.pairs)).headers["location"]
    assert ">2</span>" in (await person.open(path)).text
    page = await person.open(f"{path}/edit")
    assert "chosen by hand" in page.text
    changed = read_page_form(page.text, "builder").fill(("c-0.value", "5"))
    asked = await person.send(f"{path}/edit", changed.pairs)
    assert "Its members become the 1 contact" in asked.text
    await person.send(f"{path}/edit", read_page_form(asked.text, "builder").pairs)
    assert ">1</span>" in (await person.open(path)).text


async def test_faults_stand_beside_their_rules(server: Server) -> None:
    """Nothing is saved, and what was typed stays."""
    person = await sign_in(server)
    form = await act(person, (await open_form(person, NEW)).fill(*ORDERS), "choose:c-0")
    for sent, id_, message in (
        ((("c-0.value", "many"),), "c-0", "Expected a number"),
        ((("c-0.value", "5"), ("name", "")), "name", "Give the segment a name"),
        ((("c-0.value", "5"), ("name", "x" * 201)), "name", "at most 200"),
        ((("c-0.family", "segments"), ("c-0.operator", "in"), ("c-0.value", "x")), "c-0", "Value 1"),
    ):
        answer = await person.send(NEW, form.fill(("name", "x")).fill(*sent).pairs)
        told = html.unescape(answer.text).partition(f'id="told-{id_}"')[2].partition("</p>")[0]
        assert (answer.status_code, message in told) == (400, True), told
    unknown = "01a215b6-dd88-7b26-b49e-0dc94844a325"
    named = form.fill(("name", "x"), *IN_SEGMENTS, ("c-0.value", unknown))
    assert "No segment has this id" in (await person.send(NEW, named.pairs)).text
    assert "No segment has this id" in await say(person, named, "counts")
    assert "No segments yet" in (await person.open("/console")).text


async def test_rules_as_json_are_counted_and_checked(server: Server) -> None:
    """What is wrong within the text stands below it, and a group in it has no count of its own."""
    await create_contacts(server)
    person = await sign_in(server)
    group = '{"rules": [{"field": "total_orders", "operator": "gte", "value": 3}, %s]}'
    form = (await open_form(person, NEW)).fill(("c-0.kind", "json"))
    bad = form.fill(("c-0.json", group % '{"field": "nothing.here", "operator": "x"}'))
    told = (await say(person, bad, "check")).partition('id="told-c-0"')[2].partition("</p>")[0]
    assert "Invalid enum value" in told
    good = form.fill(("c-0.json", group % '{"field": "email", "operator": "is_not_empty"}'))
    counted = await say(person, good, "counts")
    assert ("<strong>2</strong> contacts" in counted, 'id="n-' in counted) == (True, False)


async def test_a_limit_is_told_in_the_form(url: str) -> None:
    """A workspace that has no room for the rules keeps the person's form."""
    async with serving(url, now=NOW, max_segments=1) as server:
        await create_segment(server, at_least(1))
        person = await sign_in(server)
        form = await act(person, (await open_form(person, NEW)).fill(*ORDERS), "choose:c-0")
        answer = await person.send(NEW, form.fill(("name", "Kept"), ("c-0.value", "5")).pairs)
        assert (answer.status_code, "A workspace has at most 1" in answer.text) == (400, True)
        assert read_page_form(answer.text, "builder").get("name") == "Kept"


async def test_a_count_that_takes_too_long(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so, and the rules can be saved nevertheless."""

    async def take_too_long(*_: object) -> None:
        raise DeadlineExceeded("x")

    id_ = await create_segment(server, at_least(4))
    person, edit = await sign_in(server), f"/console/segments/{id_}/edit"
    form = (await open_form(person, edit)).fill(("c-0.value", "3"))
    monkeypatch.setattr(dry_run_counts, "count_matches", take_too_long)
    assert "takes too long" in await say(person, form, "counts")
    asked = await person.send(edit, form.pairs)
    assert "cannot be told in time" in asked.text
    saved = await person.send(edit, read_page_form(asked.text, "builder").pairs)
    assert saved.headers["location"] == f"/console/segments/{id_}"


async def test_pasted_rules_take_the_place_of_others(server: Server) -> None:
    """Rules of either vendor become rules of the form; faults have paths, and nothing is lost."""
    person = await sign_in(server)
    form = await open_form(person, NEW)
    text = '{"operator": "OR", "rules": [{"field": "tags", "operator": "in", "value": ["vip"]}]}'
    pasted = await act(person, form.fill(("pasted", text)), "paste")
    assert (pasted.get("c.mode"), pasted.get("c-0.family"), pasted.get("dialect")) == ("any", "tags", "misar")
    sent = [("do", "paste"), *form.fill(("pasted", text.replace("in", "is")), ("name", "Kept")).pairs]
    refused = await person.send(BUILD, sent, PART)
    assert "rules.0.operator: This API has no word 'is' here" in html.unescape(refused.text)
    kept = read_page_form(refused.text, "builder")
    assert (kept.get("name"), kept.get("c-0.kind")) == ("Kept", "rule")


async def test_a_strict_server_refuses_what_the_vendor_has_not(url: str) -> None:
    """The form tells it beside the rule, as the API would."""
    async with serving(url, now=NOW, strict=True) as server:
        person = await sign_in(server)
        form = (await open_form(person, NEW)).fill(("c-0.family", "sample"))
        form = (await act(person, form, "choose:c-0")).fill(("name", "x"), ("c-0.value", "5"))
        assert "Unknown field" in await say(person, form, "check")
        assert (await person.send(NEW, form.pairs)).status_code == 400


async def test_broken_forms_are_refused(server: Server) -> None:
    """A form without one of its rules saves nothing."""
    person = await sign_in(server)
    assert (await person.send(NEW, [("c-1.kind", "rule")])).status_code == 400
    assert (await person.send(BUILD, [("c-1.kind", "rule")], PART)).status_code == 400
    evil = await person.send(NEW, [("csrf_token", "x")], {"Origin": "https://evil.example"})
    assert evil.status_code == 403


async def test_a_workspace_is_closed_to_others(server: Server) -> None:
    """No page of the builder shows or changes a segment of another workspace."""
    id_ = await create_segment(server, at_least(1), workspace="two", name="Secret")
    person = await sign_in(server)
    edit = f"/console/segments/{id_}/edit"
    form = await act(person, (await open_form(person, NEW)).fill(*ORDERS), "choose:c-0")
    sent = form.fill(("segment", id_), ("c-0.value", "1"), ("name", "Mine"))
    assert "Secret" not in (await person.open(NEW)).text
    assert (await person.open(edit)).status_code == 404
    assert (await person.send(edit, sent.pairs)).status_code == 404
    assert (await person.send(f"{BUILD}/counts", sent.pairs, PART)).status_code == 404
    named = sent.fill(("segment", ""), *IN_SEGMENTS, ("c-0.value", id_))
    assert "No segment has this id" in await say(person, named, "counts")


@pytest.mark.parametrize("text", HOSTILE, ids=["script", "direction", "long", "attribute", "template"])
async def test_hostile_texts_harm_nothing(server: Server, text: str) -> None:
    """Names and values are texts in every place of the form, and come back as they were."""
    await call(
        server,
        "POST",
        "/contacts",
        {"email": "a@b.example", "attributes": {text[:90].replace('"', ""): text}},
    )
    await call(server, "POST", "/tags", {"name": text[:50]})
    rule = {"field": "company", "operator": "equals", "value": text}
    id_ = await create_segment(server, rule, name=text[:100])
    person = await sign_in(server)
    page = await person.open(f"/console/segments/{id_}/edit")
    form = read_page_form(page.text, "builder")
    assert (form.get("c-0.value"), form.get("name")) == (text, text[:100])
    changed = form.fill(("c-0.operator", "not_equals"))
    parts = [
        page.text,
        (await person.send(f"{BUILD}/check", form.pairs, PART)).text,
        (await person.send(f"{BUILD}/counts", form.pairs, PART)).text,
        (await person.send(f"/console/segments/{id_}/edit", changed.pairs)).text,
        (await person.send(BUILD, [("do", "paste"), *form.fill(("pasted", text)).pairs], PART)).text,
    ]
    for part in parts:
        assert ("<script>alert" in part, "<img" in part, "9999999" in part) == (False, False, False)
