"""The pages of segments: the list, one segment, its size, and its members now and before."""

import html
from typing import Any, Final

import pytest

from support.servers.in_process import Server, bearer
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
DAY: Final = 86_400_000_000
SERVING: Final = {"now": NOW}
SCRIPT: Final = "<script>alert(1)</script>"
HOSTILE: Final = (SCRIPT, "\u202eevil", "x" * 10_000, '"><img src=x>', "{{ 1111111 * 9 }}")
EVERYBODY: Final = [{"field": "email", "operator": "is_set"}]


async def create_segment(
    server: Server, name: str, rules: list[Any], workspace: str = "one", **more: Any
) -> str:
    """Create a segment by a key, and return its id."""
    key = await server.key("topmail", workspace)
    body = {"name": name, "conditions": {"match": "all", "rules": rules}} | more
    answer = await server.client.post("/api/v1/segments", json=body, headers=bearer(key))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


async def create_contact(server: Server, email: str, **more: Any) -> None:
    """Create a contact by a key."""
    key = await server.key("topmail", "one")
    answer = await server.client.post("/api/v1/contacts", json={"email": email} | more, headers=bearer(key))
    assert answer.status_code == 201, answer.text


async def test_the_list(server: Server) -> None:
    """An empty list says what to do first; then it has names, counts and what follows writes."""
    person = await sign_in(server)
    assert "No segments yet" in (await person.open("/console")).text
    id_ = await create_segment(server, "Everybody", EVERYBODY, description="All of them")
    page = (await person.open("/console")).text
    assert f'<a href="/console/segments/{id_}"><bdi>Everybody</bdi></a>' in page
    assert ">0</span>" in page
    await create_contact(server, "ada@example.com")
    counts = (await person.open("/console/segments/counts?page=1")).text
    assert f'id="count-{id_}"' in counts
    assert (">1</span>" in counts, 'hx-swap-oob="true"' in counts) == (True, True)
    assert ">1</span>" in (await person.open(f"/console/segments/{id_}/count")).text


async def test_the_list_is_searched_and_paged(server: Server) -> None:
    """A search finds parts of names, and pages lead to each other."""
    person = await sign_in(server)
    for number in range(26):
        await create_segment(server, f"Number {number}", EVERYBODY)
    first = (await person.open("/console")).text
    assert ("Page 1 of 2" in first, "Number 25" in first, "Number 0<" in first) == (True, True, False)
    second = (await person.open("/console?page=2")).text
    assert ("Newer" in second, "Number 0<" in second) == (True, True)
    found = (await person.open("/console?q=number+7")).text
    assert ("Number 7<" in found, "Number 8<" in found) == (True, False)
    assert "No segment has" in (await person.open("/console?q=zebra")).text
    assert (await person.open("/console?page=0&page=x")).status_code == 200


async def test_a_segment_in_words_and_in_two_apis(server: Server) -> None:
    """The rules stand in words, and as each vendor writes them."""
    person = await sign_in(server)
    rules = [
        {"field": "total_orders", "operator": "gte", "value": 3},
        {"field": "last_opened_at", "operator": "more_than_days_ago", "value": 30},
        {"field": "events.purchase.count.30d", "operator": "equals", "value": 0},
        {"match": "any", "rules": [{"field": "plan", "operator": "in_list", "value": ["pro", "team"]}]},
    ]
    id_ = await create_segment(server, "Quiet customers", rules)
    page = html.unescape((await person.open(f"/console/segments/{id_}")).text)
    for words in ("total orders", "is at least", "30 days ago", "in the last 30 days", "“pro”, “team”"):
        assert words in page
    assert ('"match": "all"' in page, '"operator": "AND"' in page) == (True, True)
    assert "No contact has had an event of the name `purchase`" in page


async def test_size_and_members_over_time(server: Server) -> None:
    """The chart has a column for each day, and the members of a past day are those of then."""
    id_ = await create_segment(server, "Everybody", EVERYBODY)
    await create_contact(server, "ada@example.com", first_name="Ada")
    newcomer = await sign_in(server)
    begun = (await newcomer.open(f"/console/segments/{id_}/history")).text
    assert ("begins on 1 Mar 2026: 1 entered" in begun, "slider" in begun) == (True, True)
    server.now += 2 * DAY
    person = await sign_in(server)
    await create_contact(server, "bo@example.com")
    history = (await person.open(f"/console/segments/{id_}/history?days=90")).text
    assert history.count('data-day="') == 3, history
    assert "2026-03-01 2026-03-02 2026-03-03" in history
    assert "<svg" in (await person.open(f"/console/segments/{id_}/sparkline")).text
    members = f"/console/segments/{id_}/members"
    now = (await person.open(members)).text
    assert ("ada@" in now, "bo@" in now, "2 contacts" in now) == (True, True, True)
    before = (await person.open(f"{members}?day=2026-03-02")).text
    assert ("ada@" in before, "bo@" in before, "1 contact" in before) == (True, False, True)
    for day, told in (
        ("2026-01-01", "The history begins"),
        ("nonsense", "Expected a day"),
        ("9999-12-31", "2 contacts"),
    ):
        assert told in (await person.open(f"{members}?day={day}")).text
    file = await person.open(f"/console/segments/{id_}/export.csv")
    assert file.headers["content-disposition"] == 'attachment; filename="members.csv"'
    assert len(file.text.splitlines()) == 3


async def explain(person: Person, id_: str, contact: str) -> str:
    """Return the explanation of a contact as the page shows it."""
    answer = await person.open(f"/console/segments/{id_}/explain?contact={contact}")
    return html.unescape(answer.text)


async def test_why_somebody_is_in_a_segment_or_not(server: Server) -> None:
    """Each rule has a verdict and what the contact has, and a stranger is told what would have to change."""
    person = await sign_in(server)
    rules = [
        {"field": "total_orders", "operator": "gte", "value": 3},
        {"match": "any", "rules": [
            {"field": "plan", "operator": "equals", "value": "pro"},
            {"field": "tags", "operator": "contains", "value": "vip"},
            {"field": "subscribed", "operator": "equals", "value": False},
            {"field": "lists", "operator": "is_set"},
            {"field": "sample", "operator": "gt", "value": 100},
            {"field": "created_at", "operator": "more_than_days_ago", "value": 5},
            {"field": "events.purchase.count", "operator": "gt", "value": 0},
            {"field": "last_opened_at", "operator": "is_set"},
        ]},
    ]  # fmt: skip
    id_ = await create_segment(server, "Customers", rules)
    await create_contact(server, "ada@example.com", total_orders=5, attributes={"plan": "pro"}, tags=["a"])
    server.now += 1
    await create_contact(server, "bo@example.com")
    ada = await explain(person, id_, "ada@example.com")
    for words in (
        "is a member",
        "the contact was created",
        "has <bdi>5</bdi>",
        "has <bdi>pro</bdi>",
        "has <bdi>a<",
    ):
        assert words in ada
    assert "would have to change" not in ada
    bo = await explain(person, id_, "bo@example.com")
    missing = bo.partition("What would have to change")[2]
    assert ("is not a member" in bo, "total orders" in missing, "has nothing" in bo) == (True, True, True)
    assert "At least one of these" in missing
    assert "Write the email" in await explain(person, id_, "")
    nobody = await person.open(
        f"/console/segments/{id_}/explain?contact=x@example.com", {"HX-Request": "true"}
    )
    assert (nobody.status_code, "There is no such contact" in nobody.text) == (404, True)


async def test_explanations_without_rules(server: Server) -> None:
    """A draft has nobody, and no rule decides about members who are chosen by hand."""
    person = await sign_in(server)
    await create_contact(server, "ada@example.com")
    draft = await create_segment(server, "Draft", [])
    assert "has no rules" in await explain(person, draft, "ada@example.com")
    key = await server.key("misar", "one")
    rules = {"operator": "AND", "rules": []}
    body = {"name": "By hand", "segment_type": "static", "filter_criteria": rules}
    made = await server.client.post("/mail/v1/segments", json=body, headers=bearer(key))
    by_hand = made.json()["data"]["id"]
    assert "chosen by hand" in await explain(person, by_hand, "ada@example.com")


async def test_members_are_paged(server: Server) -> None:
    """Twenty members are on a page."""
    person = await sign_in(server)
    id_ = await create_segment(server, "Everybody", EVERYBODY)
    for number in range(21):
        await create_contact(server, f"n{number}@example.com")
    first = (await person.open(f"/console/segments/{id_}/members")).text
    assert ("Page 1 of 2" in first, "n0@" in first) == (True, False)
    assert "n0@" in (await person.open(f"/console/segments/{id_}/members?page=2")).text


async def test_kinds_of_segments(server: Server) -> None:
    """A draft, one by hand and an invalid one each say what they are."""
    person = await sign_in(server)
    draft = await create_segment(server, "Draft", [])
    assert "no rules yet" in (await person.open(f"/console/segments/{draft}")).text
    assert "Nobody is in this segment" in (await person.open(f"/console/segments/{draft}/members")).text
    key = await server.key("misar", "one")
    rules = {"operator": "AND", "rules": []}
    body = {"name": "By hand", "segment_type": "static", "filter_criteria": rules}
    made = await server.client.post("/mail/v1/segments", json=body, headers=bearer(key))
    assert made.status_code == 201
    assert "by hand" in (await person.open("/console")).text


async def test_deleting(server: Server) -> None:
    """A deleted segment is gone, and its page says so."""
    person = await sign_in(server)
    id_ = await create_segment(server, "Everybody", EVERYBODY)
    answer = await person.send(f"/console/segments/{id_}/delete", {})
    assert answer.headers["location"] == "/console"
    gone = await person.open(f"/console/segments/{id_}")
    assert (gone.status_code, "There is no such segment" in gone.text) == (404, True)
    part = await person.open(f"/console/segments/{id_}/members", {"HX-Request": "true"})
    assert (part.status_code, part.text.startswith('<div class="note bad"')) == (404, True)


async def test_a_workspace_is_closed_to_others(server: Server) -> None:
    """A segment of another workspace does not exist, on no page and for no action."""
    id_ = await create_segment(server, "Secret", EVERYBODY, "two")
    person = await sign_in(server)
    assert "Secret" not in (await person.open("/console")).text
    for part in (
        "",
        "/count",
        "/sparkline",
        "/history",
        "/members",
        "/export.csv",
        "/explain?contact=a@b.example",
    ):
        assert (await person.open(f"/console/segments/{id_}{part}")).status_code == 404
    assert (await person.send(f"/console/segments/{id_}/delete", {})).status_code == 404
    other = await sign_in(server, "two")
    assert "Secret" in (await other.open("/console")).text


@pytest.mark.parametrize("text", HOSTILE, ids=["script", "direction", "long", "attribute", "template"])
async def test_hostile_texts_harm_nothing(server: Server, text: str) -> None:
    """Names, values and searches are shown as text, isolated in direction, and shortened."""
    person = await sign_in(server)
    name, value = text[:100], text[:1_000]
    id_ = await create_segment(
        server, name, [{"field": "company", "operator": "equals", "value": value}], description=name
    )
    await create_contact(server, "ada@example.com", first_name=text[:100])
    everybody = await create_segment(server, name, EVERYBODY)
    paths = ("/console", f"/console/segments/{id_}", f"/console/segments/{everybody}/members")
    for path in paths:
        page = await _open_safely(person, path, text)
        assert "<bdi>" in page
    await _open_safely(person, f"/console?q={'x' * 5_000}", text)
    searched = await person.server.client.get(
        "/console", params={"q": text[:500]}, headers={"Cookie": person.cookie or ""}
    )
    assert SCRIPT not in searched.text


async def _open_safely(person: Person, path: str, text: str) -> str:
    answer = await person.open(path)
    assert answer.status_code == 200
    assert ("<script>alert" in answer.text, "<img" in answer.text) == (False, False)
    if text == HOSTILE[-1]:
        assert "9999999" not in answer.text.partition("<main")[2].partition("<footer")[0][:3_000]
    return answer.text
