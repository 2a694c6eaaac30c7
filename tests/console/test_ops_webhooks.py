"""The pages of webhooks: the list, a new one, one with its deliveries, and those that vendors send."""

import html
import re
from typing import Any, Final

import pytest
from msgspec.structs import replace

from diglot.console.pages.ops.hook_form import EVENT_WORDS
from diglot.model.webhooks import WebhookEventType
from diglot.service.access.webhook_sources import WebhookSources
from diglot.storage import workspaces
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.webhooks import deliveries, webhooks
from support.servers.in_process import Server, bearer, serving
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
SERVING: Final = {"now": NOW}
HOOKS: Final = "/console/webhooks"
URL: Final = "https://example.com/hook"
EVENTS: Final = {"misar": "segment.entered", "topmail": "contact.created"}
both_dialects = pytest.mark.parametrize("dialect", EVENTS)


async def create(person: Person, dialect: str, **fields: str) -> tuple[str, str]:
    """Create a webhook by the form; return the path of its page, and its secret."""
    sent = {"url": URL, "event": EVENTS[dialect]} | fields
    answer = await person.send(f"{HOOKS}/new/{dialect}", sent)
    assert answer.status_code == 200, answer.text
    path, secret = (
        re.search(pattern, answer.text)
        for pattern in (rf'href="({HOOKS}/{dialect}/[^"]+)"', r'signing secret"><code>([^<]+)<')
    )
    assert path is not None
    assert secret is not None
    return path[1], secret[1]


@both_dialects
async def test_a_webhook_from_its_creation_to_its_end(server: Server, dialect: str) -> None:
    """It is made, changed, paused, resumed, tested and deleted; its secret is shown once."""
    person = await sign_in(server)
    assert "No webhooks yet" in (await person.open(HOOKS)).text
    path, secret = await create(person, dialect)
    page = (await person.open(path)).text
    assert (secret in page, "active" in page, URL in page) == (False, True, True)
    assert "Nothing was sent yet" in (await person.open(f"{path}/deliveries")).text
    assert "none yet" in (await person.open(f"{path}/state")).text
    answer = await person.send(path, {"url": f"{URL}/2", "event": "segment.left"})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    listed = (await person.open(HOOKS)).text
    assert (f"{URL}/2" in listed, "A contact leaves a segment" in listed) == (True, True)
    for action, state in (("pause", "paused"), ("resume", "active")):
        assert (await person.send(f"{path}/{action}", {})).headers["location"] == path
        assert f">{state}</span>" in (await person.open(path)).text
    tested = await person.send(f"{path}/test", {})
    assert tested.headers["location"] == f"{path}#deliveries-title"
    sent = (await person.open(f"{path}/deliveries")).text
    assert ("A test" in sent, ">waits<" in sent) == (True, True)
    replaced = await person.send(f"{path}/secret", {})
    assert (replaced.status_code, secret in replaced.text) == (200, False)
    assert (await person.send(f"{path}/delete", {})).headers["location"] == HOOKS
    assert (await person.open(path)).status_code == 404


async def test_the_same_webhook_by_the_api(server: Server) -> None:
    """What the form makes, a client reads, and the other way round; a chosen secret is kept."""
    person = await sign_in(server)
    key = await server.key("misar", "one")
    _, secret = await create(person, "misar", secret="mine", event="email.unsubscribed")
    assert secret == "mine"
    (shown,) = (await server.client.get("/mail/v1/webhooks", headers=bearer(key))).json()["data"]
    assert (shown["url"], shown["events"], shown["is_active"]) == (URL, ["email.unsubscribed"], True)
    body = {"url": f"{URL}/api", "events": ["email.opened", "contact.created"]}
    made = await server.client.post("/mail/v1/webhooks", json=body, headers=bearer(key))
    page = (await person.open(f"{HOOKS}/misar/{made.json()['data']['id']}")).text
    assert ("Only the vendor sends this" in page, f"{URL}/api" in page) == (True, True)


@pytest.mark.parametrize(
    ("dialect", "fields", "fault"),
    [
        ("misar", {"url": "ftp://example.com"}, "expected http or https"),
        ("misar", {"url": "https://127.0.0.1/"}, "not allowed here"),
        ("misar", {"url": "https://example.com/" + "x" * 3_000}, "at most 2048"),
        ("misar", {"event": "nothing"}, "Choose at least one event"),
        ("topmail", {"event": ""}, "Choose at least one event"),
        ("topmail", {"secret": "x" * 257}, "at most 256 characters"),
    ],
)
async def test_faults_stand_beside_the_form(
    server: Server, dialect: str, fields: dict[str, str], fault: str
) -> None:
    """Nothing of what was typed is lost, neither in a new webhook nor in one that exists."""
    person = await sign_in(server)
    path, _ = await create(person, dialect)
    sent = {"url": f"{URL}/typed", "event": EVENTS[dialect]} | fields
    for to in (f"{HOOKS}/new/{dialect}", *([] if "secret" in fields else [path])):
        answer = await person.send(to, sent)
        text = html.unescape(answer.text)
        assert (answer.status_code, fault in text) == (400, True)
        assert sent["url"] in text
    assert f"{URL}/typed" not in (await person.open(HOOKS)).text


async def test_topmails_webhooks_have_one_event(server: Server) -> None:
    """A form that says more was not made by the page."""
    person = await sign_in(server)
    body = f"csrf_token={person.token}&url={URL}&event=contact.created&event=contact.updated"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await person._send("POST", f"{HOOKS}/new/topmail", body, form)
    assert (answer.status_code, "has one event" in answer.text) == (400, True)


async def test_the_limit_is_that_of_the_api(url: str) -> None:
    """A workspace with as many webhooks as it may have is told so."""
    async with serving(url, now=NOW, max_webhooks=1) as server:
        person = await sign_in(server)
        await create(person, "misar")
        answer = await person.send(f"{HOOKS}/new/topmail", {"url": URL, "event": "contact.created"})
        assert (answer.status_code, "at most 1 webhooks" in answer.text) == (409, True)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"delivered_at": NOW, "due_at": None, "last_status": 200}, "delivered"),
        (
            {"due_at": NOW + 60_000_000, "last_status": 500, "last_response": "<b>no</b>"},
            "will be sent again",
        ),
        ({"due_at": None, "last_error": "no response"}, "given up"),
    ],
)
async def test_what_became_of_a_delivery(server: Server, result: dict[str, Any], words: str) -> None:
    """Each state has its word, and the last answer stands beside it as text."""
    person = await sign_in(server)
    path, _ = await create(person, "misar")
    await person.send(f"{path}/test", {})
    engine = await server.beside.engine()
    owner = await engine.read(lambda tx: workspaces.find_by_name(tx, f"{server.apart}one"))
    assert owner is not None

    async def record(tenant: Tenant) -> None:
        webhook = await webhooks.find_by_id(tenant, "misar", path.rpartition("/")[2])
        assert webhook is not None
        (delivery,) = await deliveries.load_last(tenant, webhook.number, 1)
        await deliveries.record_attempt(tenant, replace(delivery, attempts=1, **result))

    await engine.write(bind_workspace(owner.number, record))
    shown = (await person.open(f"{path}/deliveries")).text
    assert f">{words}</span>" in shown
    assert f">{words}</span>" in (await person.open(f"{path}/state")).text
    assert "<b>no" not in shown


def test_every_event_has_words() -> None:
    """No event is shown by a word of the program."""
    assert set(EVENT_WORDS) == set(WebhookEventType)


async def test_where_webhooks_of_vendors_arrive(server: Server) -> None:
    """The path is shown, and whether it has a secret; another workspace's is not."""
    person, other = await sign_in(server), await sign_in(server, "two")
    assert "diglot webhooks-in create" in (await person.open(HOOKS)).text
    service = WebhookSources(await server.beside.engine(), lambda: server.now)
    id_ = await service.create(f"{server.apart}one", "topmail")
    waiting = (await person.open(HOOKS)).text
    assert (f"/api/v1/webhooks-in/{id_}" in waiting, "no secret" in waiting) == (True, True)
    await service.set_secret(id_, "s3cret")
    ready = (await person.open(HOOKS)).text
    assert ("no secret" in ready, "s3cret" in ready) == (False, False)
    assert id_ not in (await other.open(HOOKS)).text


@both_dialects
async def test_webhooks_are_closed_to_others(server: Server, dialect: str) -> None:
    """Another workspace neither sees nor changes a webhook, and another site changes nothing."""
    person, other = await sign_in(server), await sign_in(server, "two")
    path, _ = await create(person, dialect)
    assert URL not in (await other.open(HOOKS)).text
    fields = {"url": URL, "event": EVENTS[dialect]}
    for part in ("", "/state", "/deliveries"):
        assert (await other.open(path + part)).status_code == 404
    for part in ("", "/pause", "/resume", "/secret", "/test", "/delete"):
        assert (await other.send(path + part, fields)).status_code == 404
        assert (await person.send(path + part, fields | {"csrf_token": other.token})).status_code == 403
    assert (await person.open(path)).status_code == 200


async def test_paths_that_name_nothing(server: Server) -> None:
    """An unknown dialect, an unknown id, and the id of another dialect's webhook are not found."""
    person = await sign_in(server)
    path, _ = await create(person, "misar")
    for wrong in (
        f"{HOOKS}/new/acme",
        f"{HOOKS}/acme/x",
        f"{HOOKS}/misar/x",
        path.replace("misar", "topmail"),
    ):
        assert (await person.open(wrong)).status_code == 404
