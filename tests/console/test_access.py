"""Coming in and going out: first visit, sign-in, one-time links, and writes that our pages did not send."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from diglot.console.visit import NAVIGATION
from diglot.service.access import passwords
from diglot.service.access.sessions import LINK_SECONDS, RATE_BY_PAIR
from support.servers.browser import PASSWORD, set_password
from support.servers.in_process import Server, bearer, serving
from support.servers.person import Person, create_link, sign_in

NOW = 1_772_366_400_000_000
SECOND = 1_000_000
SERVING = {"now": NOW}
SIGN_IN = "/session/sign-in"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SETUP = {"token": "right", "workspace": "Acme", "password": PASSWORD, "time_zone": "Europe/Berlin"}


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create cheap hashes."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "get_hasher", lambda: cheap)


@pytest_asyncio.fixture
async def new_server(url: str) -> AsyncIterator[Server]:
    """Lend a server without a workspace, which has printed a token."""
    async with serving(url, now=NOW, setup_token="right") as server:
        yield server


async def test_the_root_leads_to_the_console(server: Server) -> None:
    """Who is not signed in is asked to, and comes back to the page that was asked for."""
    stranger = Person(server)
    home = await stranger.open("/")
    assert (home.status_code, home.headers["location"]) == (303, "/console")
    asked = await stranger.open("/console/segments/x")
    assert (asked.status_code, asked.headers["location"]) == (
        303,
        f"{SIGN_IN}?next=%2Fconsole%2Fsegments%2Fx",
    )
    part = await stranger.open("/console/segments/x/members", {"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (200, SIGN_IN)
    sent = await stranger.send("/console/segments/x/delete", {})
    assert (sent.status_code, sent.headers["location"]) == (303, SIGN_IN)


async def test_pages_are_safe_in_a_browser(server: Server) -> None:
    """No page runs what stands in it, is stored, or is shown in another site's frame."""
    person = await sign_in(server)
    for path in ("/console", "/console/nothing", "/console/enter"):
        headers = (await person.open(path)).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


async def test_signing_in_and_out(server: Server) -> None:
    """A password opens the pages; signing out closes them, and needs the token of the session."""
    name = f"{server.apart}one"
    await server.key("misar", "one")
    await set_password(server.beside, name)
    person = Person(server)
    assert "Password" in (await person.open(SIGN_IN)).text
    wrong = await person.send(SIGN_IN, {"workspace": name, "password": "wrong"})
    assert (wrong.status_code, "is wrong" in wrong.text, name in wrong.text) == (401, True, True)
    right = {"workspace": name, "password": PASSWORD, "next": "/console/segments/x"}
    answer = await person.send(SIGN_IN, right)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/segments/x")
    assert "Path=/session;" in answer.headers.get_list("set-cookie")[1]
    await person.keep_session(answer)
    assert (await person.open(SIGN_IN)).headers["location"] == "/console"
    token, person.token = person.token, ""
    assert (await person.send("/console/sign-out", {})).status_code == 403
    person.token = token
    assert (await person.send("/console/sign-out", {})).headers["location"] == SIGN_IN
    assert (await person.open("/console")).status_code == 303


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/console/\\evil", "/docs", "é"])
async def test_signing_in_leads_nowhere_else(server: Server, path: str) -> None:
    """A link to the form cannot send a person to another site afterwards."""
    name = f"{server.apart}one"
    await server.key("misar", "one")
    await set_password(server.beside, name)
    answer = await Person(server).send(SIGN_IN, {"workspace": name, "password": PASSWORD, "next": path})
    assert answer.headers["location"] == "/console"


async def test_attempts_are_limited(server: Server) -> None:
    """The page says how long to wait."""
    person, name = Person(server), f"{server.apart}nobody"
    fields = {"workspace": name, "password": "wrong"}
    statuses = [(await person.send(SIGN_IN, fields)).status_code for _ in range(RATE_BY_PAIR.requests + 1)]
    assert statuses[-1] == 429
    answer = await person.send(SIGN_IN, fields)
    assert "Too many attempts" in answer.text
    assert int(answer.headers["retry-after"]) > 0
    server.now += 3_600 * SECOND


async def test_a_link_works_once(server: Server) -> None:
    """A link signs in one browser within an hour, is no cookie of a session, and needs our own page."""
    link = await create_link(server, "one")
    person = Person(server)
    assert "one-time" not in (await person.open("/console/enter")).text
    evil = await person.send("/console/enter", {"token": link}, {"Sec-Fetch-Site": "cross-site"})
    assert evil.status_code == 403
    as_cookie = {"Cookie": f"diglot_session=link:{link}"}
    assert (await Person(server).open("/console", as_cookie)).status_code == 303
    assert (await server.client.get("/session", headers=as_cookie)).status_code == 401
    await Person(server).send(SIGN_IN, {"workspace": "x", "password": "wrong"}, as_cookie)
    answer = await person.send("/console/enter", {"token": link})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    again = await person.send("/console/enter", {"token": link})
    assert (again.status_code, "used before" in again.text) == (401, True)
    late = await create_link(server, "one")
    server.now += LINK_SECONDS * SECOND
    assert (await person.send("/console/enter", {"token": late})).status_code == 401


async def test_another_site_cannot_write(server: Server) -> None:
    """A form without the token of the session, or from another site, changes nothing."""
    person = await sign_in(server)
    other = await sign_in(server, "two")
    path = "/console/segments/x/delete"
    for token, headers in (
        ("", {}),
        (other.token, {}),
        (person.token, {"Sec-Fetch-Site": "cross-site"}),
        (person.token, {"Origin": "https://evil.example"}),
    ):
        assert (await person.send(path, {"csrf_token": token}, headers)).status_code == 403
    assert (await person.send(path, {})).status_code == 404
    assert (await person.send(path, {}, {"Content-Type": "text/plain"})).status_code == 403
    by_script = await person.send(path, {"csrf_token": ""}, {"X-CSRF-Token": person.token})
    assert by_script.status_code == 404


async def test_methods_and_bodies(server: Server) -> None:
    """A page without a form takes no form, and a body that is no form is told so."""
    person = await sign_in(server)
    refused = await person.send("/console", {})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    broken = await person._send(
        "POST", SIGN_IN, "a=%ff", {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert broken.status_code == 400
    for fields in ({"workspace": "\0"}, {"password": "\0"}):
        assert (await person.send(SIGN_IN, fields)).status_code == 400
    for path in ("/console?q=%00", "/console/contacts?q=%00", "/console/segments/x/explain?contact=%00"):
        assert (await person.open(path)).status_code == 400
    for fields in ({"workspace": "x" * 101}, {"workspace": "x", "password": "x" * 1_001}):
        assert (await person.send(SIGN_IN, fields)).status_code == 401
    assert (await person.send(SIGN_IN, {}, {"Content-Type": "text/plain"})).status_code == 415
    assert (await person.send(SIGN_IN, {"password": "x" * 1_100_000})).status_code == 413


async def test_scripts_and_styles(server: Server) -> None:
    """A file has its digest in its path; another digest is not found."""
    page = await Person(server).open("/console/enter")
    paths = [part.partition('"')[0] for part in page.text.split('="') if part.startswith("/console/assets/")]
    assert len(paths) == 4
    for path in paths:
        answer = await Person(server).open(path)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)
    assert (await Person(server).open("/console/assets/0/console.js")).status_code == 404


async def test_the_first_visit(new_server: Server) -> None:
    """The token that the server printed creates one workspace with a key of each dialect, once."""
    person = Person(new_server)
    assert (await person.open(SIGN_IN)).headers["location"] == "/console/setup"
    assert "A new server" in (await person.open("/console/setup")).text
    for change, status in (
        ({"token": "wrong"}, 403),
        ({"password": "short"}, 400),
        ({"time_zone": "Mars"}, 400),
        ({"workspace": " "}, 400),
    ):
        assert (await person.send("/console/setup", SETUP | change)).status_code == status
    evil = await person.send("/console/setup", SETUP, {"Origin": "https://evil.example"})
    assert evil.status_code == 403
    done = await person.send("/console/setup", SETUP)
    assert (done.status_code, done.headers["cache-control"]) == (200, "no-store")
    await person.keep_session(done)
    assert "Europe/Berlin" in (await person.open("/console")).text
    key = next(word for word in done.text.replace("<", ">").split(">") if word.startswith("msk_"))
    listed = await new_server.client.get("/mail/v1/segments", headers=bearer(key))
    assert listed.status_code == 200
    assert (await Person(new_server).open("/console/setup")).headers["location"] == SIGN_IN
    assert (await person.send("/console/setup", SETUP)).status_code == 409


async def test_the_keys_are_shown_though_others_tried_to_sign_in(new_server: Server) -> None:
    """Attempts of others cannot make the first visit lose its keys."""
    person = Person(new_server)
    wrong = {"workspace": SETUP["workspace"], "password": "wrong"}
    tried = [(await person.send(SIGN_IN, wrong)).status_code for _ in range(RATE_BY_PAIR.requests + 1)]
    assert tried[-1] == 429
    done = await person.send("/console/setup", SETUP)
    assert (done.status_code, "msk_" in done.text, "set-cookie" in done.headers) == (200, True, False)


async def test_the_server_says_whether_it_is_new(new_server: Server) -> None:
    """What the start line asks for is there until the first workspace is."""
    person = Person(new_server)
    assert (await person.open("/console/new")).status_code == 200
    assert (await person.send("/console/setup", SETUP)).status_code == 200
    assert (await person.open("/console/new")).status_code == 404


async def test_without_a_token_nobody_sets_up(url: str) -> None:
    """A server that printed no token is set up by commands."""
    async with serving(url, now=NOW) as server:
        person = Person(server)
        assert (await person.open("/console/setup")).headers["location"] == SIGN_IN
        assert (await person.send("/console/setup", SETUP)).status_code == 403


async def test_the_console_switched_off(url: str) -> None:
    """Its paths do not exist, and everything else is as before."""
    async with serving(url, now=NOW, console=False) as server:
        for path in ("/", "/console", SIGN_IN):
            assert (await server.client.get(path)).status_code == 404
        assert (await server.client.get("/session")).status_code == 401


async def test_beside_an_upstream_the_root_stays_ours(url: str) -> None:
    """No page of the console is asked of the vendor."""
    async with serving(url, now=NOW, upstreams={"misar": "http://127.0.0.1:9"}) as server:
        assert (await server.client.get("/")).headers["location"] == "/console"


async def test_the_navigation_leads_to_pages(server: Server) -> None:
    """Each entry is a page, and is marked on it."""
    person = await sign_in(server)
    for name, path in NAVIGATION:
        page = await person.open(path)
        assert (page.status_code, f'href="{path}" aria-current="page">{name}' in page.text) == (200, True)
