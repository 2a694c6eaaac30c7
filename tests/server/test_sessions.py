"""Browser sessions: the cookie, its expiry, trusted addresses, and requests from other sites."""

import asyncio
import re
from collections.abc import AsyncIterator
from threading import Event
from typing import Any

import pytest
import pytest_asyncio
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import select

from diglot.errors import TooManyRequests
from diglot.service.access import passwords
from diglot.service.access.devices import DEVICE_SECONDS, name_cookie
from diglot.service.access.passwords import DUMMY_HASH, PasswordChecker, VerificationQueue
from diglot.service.access.sessions import (
    RATE_BY_ADDRESS,
    RATE_BY_DEVICE,
    RATE_BY_PAIR_UNDER_ATTACK,
    RATE_OF_STRANGERS,
    SESSION_SECONDS,
)
from diglot.storage.schema import metadata, rate_counts
from diglot.storage.sql.statement import Statement
from support.servers.asgi import Request, send_request
from support.servers.browser import PASSWORD, Browser, set_password
from support.servers.in_process import Server, bearer, serving

# 2026-03-01T12:00:00Z
NOW = 1_772_366_400_000_000
SECOND = 1_000_000
CONTACTS = "/mail/v1/contacts"
ADA = {"email": "ada@example.com"}
HASHER = passwords.get_hasher()
WRONG = {"error": "The workspace or the password is wrong"}
NO_KEY = "Invalid or missing API key. Use: Authorization: Bearer msk_..."


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create cheap hashes; one test covers the real cost."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "get_hasher", lambda: cheap)


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server with two workspaces, both of which have a password."""
    async with serving(url, now=NOW) as server:
        for workspace in ("one", "two"):
            await server.key("misar", workspace)
            await set_password(server.beside, workspace)
        yield server


@pytest.fixture
def browser(server: Server) -> Browser:
    """Return a browser that is not signed in yet."""
    return Browser(server)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make password checks cheap, and record the hash of each check."""
    noted: list[str] = []

    def verify(kept: str, password: str) -> bool:
        noted.append(kept)
        return kept != DUMMY_HASH and password == PASSWORD

    monkeypatch.setattr(passwords, "_verify_hash", verify)
    return noted


async def rows(server: Server, *columns: Any, ephemeral: bool = False) -> list[Any]:
    """Return the rows of a table."""
    engine = await server.beside.engine()
    run = engine.run_ephemeral if ephemeral else engine.read
    return [tuple(row) for row in await run(lambda tx: tx.fetch_all(Statement(select(*columns))))]


# The session and its cookie


async def test_signing_in(server: Server, browser: Browser) -> None:
    """The response names the workspace and the expiry, as a later GET does; the whole audience is open."""
    answer = await browser.sign_in()
    expected = {
        "workspace": "one",
        "time_zone": "UTC",
        "signed_in_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-03-02T00:00:00Z",
        "csrf_token": browser.csrf_token,
    }
    assert (answer.status_code, answer.json()) == (200, expected)
    assert list(answer.json()) == list(expected)
    assert re.fullmatch("[0-9a-f]{64}", browser.csrf_token)
    assert answer.headers["cache-control"] == "no-store"
    again = await browser.request("GET", "/session")
    assert (again.status_code, again.json(), again.headers["cache-control"]) == (200, expected, "no-store")
    assert "set-cookie" not in again.headers
    created = await browser.request("POST", CONTACTS, ADA)
    assert created.status_code == 201
    listed = await browser.request("GET", CONTACTS)
    assert [item["email"] for item in listed.json()["data"]] == ["ada@example.com"]
    other = Browser(server)
    await other.sign_in("two")
    assert (await other.request("GET", CONTACTS)).json()["data"] == []


async def test_the_cookie(url: str) -> None:
    """Scripts cannot read it, writes of other sites do not carry it, and it is secure under https."""
    plain = "; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"
    secure = f"{plain}; Secure"
    cases: tuple[tuple[dict[str, Any], str, dict[str, str], str], ...] = (
        ({}, "http", {}, plain),
        ({}, "https", {}, secure),
        ({}, "http", {"X-Forwarded-Proto": "https"}, plain),
        ({"trusted_proxies": 1}, "http", {"X-Forwarded-Proto": "https"}, secure),
        ({"trusted_proxies": 1}, "http", {"X-Forwarded-Proto": "http"}, plain),
        ({"secure_cookies": True}, "http", {}, secure),
    )
    for settings, scheme, headers, attributes in cases:
        async with serving(url, now=NOW, **settings) as server:
            await server.key("misar", "one")
            await set_password(server.beside, "one")
            server.client.base_url = f"{scheme}://diglot"
            browser = Browser(server)
            written = (await browser.sign_in(headers=headers)).headers.get_list("set-cookie")[0]
            name = "__Host-diglot_session" if "Secure" in attributes else "diglot_session"
            assert re.fullmatch(rf"{name}=[A-Za-z0-9_-]{{43}}{attributes}", written)
            assert (await browser.request("GET", "/session", headers=headers)).status_code == 200
            gone = (await browser.request("DELETE", "/session", headers=headers)).headers["set-cookie"]
            assert gone == f"{name}=" + attributes.replace("43200", "0")


async def test_a_sibling_cannot_plant_a_session(server: Server, browser: Browser) -> None:
    """Under https a cookie that another host of the domain can set opens nothing."""
    await browser.sign_in()
    assert browser.cookie is not None
    server.client.base_url = "https://diglot"
    assert (await browser.request("GET", "/session")).status_code == 401
    browser.cookie = f"__Host-{browser.cookie}"
    assert (await browser.request("GET", "/session")).status_code == 200


async def test_answers_in_a_session_are_not_stored(server: Server, browser: Browser) -> None:
    """A read with a session is not kept by caches; one with a key, and a static file, may be."""
    await browser.sign_in()
    with_session = await browser.request("GET", CONTACTS)
    with_key = await server.client.get(CONTACTS, headers=bearer(await server.key("misar", "one")))
    page = await browser.request("GET", "/docs")
    answers = (with_session, with_key, page)
    assert [answer.headers.get("cache-control") for answer in answers] == ["no-store", None, "no-cache"]
    for answer in (*answers, await server.client.get("/nothing"), await server.client.get("/health")):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers.get_list("server") == ["diglot"]


async def test_no_secret_is_stored(server: Server, browser: Browser) -> None:
    """No table contains the password, the cookie's value or the page's token."""
    await browser.sign_in()
    assert browser.cookie is not None
    everything = [await rows(server, table) for table in metadata.sorted_tables]
    for secret in (PASSWORD, browser.cookie.partition("=")[2], browser.csrf_token):
        assert secret not in str(everything)
    assert "$argon2id$" in str(everything)


async def test_a_session_expires_after_twelve_hours(server: Server, browser: Browser) -> None:
    """Use does not extend it; afterwards it opens nothing, and the next sign-in deletes its row."""
    await browser.sign_in()
    server.now += SESSION_SECONDS * SECOND - 1
    assert (await browser.request("GET", "/session")).status_code == 200
    assert (await browser.request("GET", CONTACTS)).status_code == 200
    server.now += 1
    ended = await browser.request("GET", "/session")
    assert (ended.status_code, ended.json()) == (401, {"error": "Not signed in"})
    refused = await browser.request("GET", CONTACTS)
    assert (refused.status_code, refused.json()) == (401, {"success": False, "error": NO_KEY})
    await Browser(server).sign_in()
    assert len(await rows(server, metadata.tables["sessions"])) == 1


async def test_signing_out_ends_a_session_immediately(server: Server, browser: Browser) -> None:
    """The cookie opens nothing any more; another session goes on; a second sign-out is no error."""
    other = Browser(server)
    for client in (browser, other):
        await client.sign_in()
    for _ in range(2):
        answer = await browser.request("DELETE", "/session")
        assert (answer.status_code, answer.json()) == (200, {"signed_in": False})
        assert (await browser.request("GET", CONTACTS)).status_code == 401
        assert (await browser.request("GET", "/session")).status_code == 401
    assert (await other.request("GET", CONTACTS)).status_code == 200
    assert (await Browser(server).request("DELETE", "/session")).status_code == 200


async def test_signing_in_again_ends_the_previous_session(server: Server, browser: Browser) -> None:
    """A browser has one session, so an old cookie opens nothing. A failed attempt ends no session."""
    await browser.sign_in()
    before = Browser(server, browser.cookie)
    assert (await browser.sign_in(password="wrong")).status_code == 401
    assert (await before.request("GET", CONTACTS)).status_code == 200
    assert (await browser.sign_in("two")).status_code == 200
    assert (await before.request("GET", CONTACTS)).status_code == 401
    assert (await browser.request("GET", "/session")).json()["workspace"] == "two"


@pytest.mark.parametrize("password", ["another password", None])
async def test_a_new_password_ends_all_sessions(
    server: Server, browser: Browser, password: str | None
) -> None:
    """It ends those of its own workspace; without a password no sign-in succeeds."""
    other = Browser(server)
    await browser.sign_in()
    await other.sign_in("two")
    await set_password(server.beside, "one", password)
    assert (await browser.request("GET", CONTACTS)).status_code == 401
    assert (await other.request("GET", CONTACTS)).status_code == 200
    assert (await browser.sign_in()).json() == WRONG
    expected = 401 if password is None else 200
    assert (await browser.sign_in(password=password or "")).status_code == expected


async def test_a_password_that_changes_during_its_check(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check takes time; the old password opens no session after the new one is set."""

    async def fits(self: VerificationQueue, kept: str | None, password: str, address: str) -> bool:
        del self, kept, password, address
        await set_password(server.beside, "one", "another password")
        return True

    monkeypatch.setattr(VerificationQueue, "verify", fits)
    assert (await browser.sign_in()).json() == WRONG
    assert await rows(server, metadata.tables["sessions"]) == []


# Passwords


async def test_a_missing_password_costs_the_same_check(
    server: Server, browser: Browser, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, a missing one and an unknown workspace cost one check and get one response."""
    monkeypatch.setattr(passwords, "get_hasher", lambda: HASHER)
    await set_password(server.beside, "one")
    await server.key("misar", "without")
    for workspace, password in (("one", "wrong"), ("one", ""), ("without", PASSWORD), ("nowhere", PASSWORD)):
        checked.clear()
        answer = await browser.sign_in(workspace, password)
        assert (answer.status_code, answer.json()) == (401, WRONG)
        assert "set-cookie" not in answer.headers
        (kept,) = checked
        assert extract_parameters(kept) == extract_parameters(DUMMY_HASH)


def test_the_placeholder_hash_matches_no_password() -> None:
    """The placeholder is a valid hash, and an invalid hash matches no password."""
    assert not passwords._verify_hash(DUMMY_HASH, PASSWORD)
    assert not passwords._verify_hash("no hash", PASSWORD)
    assert passwords._verify_hash(passwords.hash_password("café au lait"), "cafe\u0301 au lait")


# Other sites


FORGED: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "Send the csrf_token of the session as X-CSRF-Token"),
    ({"X-CSRF-Token": ""}, "Send the csrf_token of the session as X-CSRF-Token"),
    ({"X-CSRF-Token": "0" * 64}, "Send the csrf_token of the session as X-CSRF-Token"),
    ({"X-CSRF-Token": "é"}, "Send the csrf_token of the session as X-CSRF-Token"),
    ({"X-CSRF-Token": "of another"}, "Send the csrf_token of the session as X-CSRF-Token"),
    ({"X-CSRF-Token": "own", "Sec-Fetch-Site": "cross-site"}, "Another site may not do this in your session"),
    ({"X-CSRF-Token": "own", "Sec-Fetch-Site": "same-site"}, "Another site may not do this in your session"),
    ({"X-CSRF-Token": "own", "Origin": "http://elsewhere"}, "Another site may not do this in your session"),
    ({"X-CSRF-Token": "own", "Origin": "http://diglot:81"}, "Another site may not do this in your session"),
    ({"X-CSRF-Token": "own", "Origin": "null"}, "Another site may not do this in your session"),
    ({"X-CSRF-Token": "own", "Origin": "http://["}, "Another site may not do this in your session"),
)
OURS: tuple[dict[str, str], ...] = (
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://diglot"},
    {"Origin": "https://DIGLOT"},
    # A proxy may change the host name; the browser knows the site that it is on.
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://console.example"},
)


async def test_another_site_cannot_write(server: Server, browser: Browser) -> None:
    """A write needs the session's own token, and a browser must not say that it comes from another site."""
    other = Browser(server)
    await browser.sign_in()
    await other.sign_in()
    tokens = {"own": browser.csrf_token, "of another": other.csrf_token}
    for headers, text in FORGED:
        sent = {name: tokens.get(value, value) for name, value in headers.items()}
        for method, path in (("POST", CONTACTS), ("DELETE", f"{CONTACTS}?id=x"), ("POST", "/mail/v1/keys")):
            body = None if method == "DELETE" else ADA | {"name": "x"}
            answer = await browser.request(method, path, body, sent, proves=False)
            assert (answer.status_code, answer.json()) == (403, {"success": False, "error": text}), headers
        out = await browser.request("DELETE", "/session", None, sent, proves=False)
        assert (out.status_code, out.json()) == (403, {"error": text})
        read = await browser.request("GET", CONTACTS, None, sent)
        assert (read.status_code, read.json()["data"]) == (200, [])
    for number, headers in enumerate(OURS):
        created = await browser.request("POST", CONTACTS, {"email": f"{number}@example.com"}, headers)
        assert created.status_code == 201, headers
    assert (await browser.request("GET", CONTACTS)).json()["pagination"]["total"] == len(OURS)


async def test_another_site_cannot_sign_in(browser: Browser) -> None:
    """A user must not work in another user's workspace without noticing."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        answer = await browser.sign_in(headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


# Keys and cookies


async def test_a_key_wins_over_a_cookie(server: Server, browser: Browser) -> None:
    """The Authorization header counts even if it is wrong; an API key needs no CSRF token."""
    await browser.sign_in("two")
    key = bearer(await server.key("misar", "one"))
    created = await browser.request(
        "POST", CONTACTS, ADA, {**key, "Sec-Fetch-Site": "cross-site"}, proves=False
    )
    assert created.status_code == 201
    assert (await browser.request("GET", CONTACTS, headers=key)).json()["pagination"]["total"] == 1
    assert (await browser.request("GET", CONTACTS)).json()["pagination"]["total"] == 0
    for wrong in ("Bearer msk_x", "Bearer ", "Basic b25lOnR3bw==", ""):
        assert (await browser.request("GET", CONTACTS, headers={"Authorization": wrong})).status_code == 401


async def test_topmail_has_no_sessions(browser: Browser) -> None:
    """The cookie opens nothing there."""
    await browser.sign_in()
    assert (await browser.request("GET", "/api/v1/contacts")).status_code == 401
    assert (await browser.request("POST", "/api/v1/contacts", ADA)).status_code == 401


async def test_a_session_can_create_any_key(server: Server, browser: Browser) -> None:
    """A person owns the workspace: keys of any scope, keys without one, and the revocation of any key."""
    await browser.sign_in()
    created = await browser.request("POST", "/mail/v1/keys", {"name": "Mailer", "scopes": ["send", "track"]})
    plain = await browser.request("POST", "/mail/v1/keys", {"name": "Sync"})
    assert [item.json()["scopes"] for item in (created, plain)] == ["send,track", "contacts,track"]
    listed = (await browser.request("GET", "/mail/v1/keys")).json()["keys"]
    assert {item["name"] for item in listed} == {"Mailer", "Sync", ""}
    key = created.json()["keyId"]
    assert (await browser.request("DELETE", f"/mail/v1/keys/{key}")).status_code == 200
    other = Browser(server)
    await other.sign_in("two")
    assert (await other.request("GET", f"/mail/v1/keys/{key}")).status_code == 404


async def test_two_different_cookies_open_nothing(server: Server, browser: Browser) -> None:
    """One of them comes from elsewhere, and the server cannot know which; two equal ones count as one."""
    await browser.sign_in()
    other = Browser(server)
    await other.sign_in("two")
    for cookies, status in (
        (f"{browser.cookie}; {other.cookie}", 401),
        (f"a=b;{browser.cookie}; {browser.cookie}", 200),
        (f"x{browser.cookie}", 401),
        ("diglot_session", 401),
        ("diglot_session=" + "a" * 5000, 401),
    ):
        assert (await browser.request("GET", CONTACTS, headers={"Cookie": cookies})).status_code == status
        assert (await browser.request("GET", "/session", headers={"Cookie": cookies})).status_code == status


async def test_each_session_has_its_own_rate_limit(url: str, checked: list[str]) -> None:
    """A session counts like an API key."""
    async with serving(url, now=NOW, rate_limits="5") as server:
        await server.key("misar", "one")
        await set_password(server.beside, "one")
        browser, other = Browser(server), Browser(server)
        for client in (browser, other):
            await client.sign_in()
        assert [(await browser.request("GET", CONTACTS)).status_code for _ in range(6)] == [200] * 5 + [429]
        assert (await other.request("GET", CONTACTS)).status_code == 200
    assert len(checked) == 2


# Attempts


async def test_attempts_from_one_address(server: Server, browser: Browser, checked: list[str]) -> None:
    """The limit counts all workspaces and also successful attempts; then none is checked for a while."""
    answers = [await browser.sign_in(f"w{number}") for number in range(RATE_BY_ADDRESS.requests)]
    assert {answer.status_code for answer in answers} == {401}
    checked.clear()
    refused = await browser.sign_in()
    assert (refused.status_code, refused.json()) == (429, {"error": "Too many attempts: wait and try again"})
    assert checked == []
    server.now += int(refused.headers["retry-after"]) * SECOND
    assert (await browser.sign_in()).status_code == 200


def origin(address: str) -> dict[str, str]:
    """Return the header that a trusted proxy sends for a client."""
    return {"X-Forwarded-For": address}


async def test_a_stranger_does_not_keep_the_owner_out(url: str, checked: list[str]) -> None:
    """However often strangers fail, another address may try, and a device that was signed in always may."""
    async with serving(url, now=NOW, trusted_proxies=1) as server:
        await server.key("misar", "one")
        await set_password(server.beside, "one")
        known = Browser(server)
        assert (await known.sign_in(headers=origin("192.0.2.1"))).status_code == 200
        device = known.device
        stranger = Browser(server)
        for number in range(RATE_OF_STRANGERS.requests + 20):
            await stranger.sign_in(password="wrong", headers=origin(f"198.51.{number % 40}.1"))
        # The owner somewhere else, where nobody has tried.
        assert (await Browser(server).sign_in(headers=origin("203.0.113.1"))).status_code == 200
        # A known device, even from the address of a stranger who may no longer try.
        for _ in range(RATE_BY_ADDRESS.requests):
            refused = await stranger.sign_in(password="wrong", headers=origin("198.51.1.1"))
        assert refused.status_code == 429
        checked.clear()
        assert (await Browser(server).sign_in(headers=origin("198.51.1.1"))).status_code == 429
        assert checked == []
        again = Browser(server, device=device)
        assert (await again.sign_in(headers=origin("198.51.1.1"))).status_code == 200


async def test_guessing_from_many_addresses_is_slow(url: str, checked: list[str]) -> None:
    """A workspace that strangers try often allows each address three attempts a day."""
    async with serving(url, now=NOW, trusted_proxies=1) as server:
        await server.key("misar", "one")
        await set_password(server.beside, "one")
        stranger = Browser(server)
        for number in range(RATE_OF_STRANGERS.requests):
            answer = await stranger.sign_in(password="wrong", headers=origin(f"192.0.2.{number}"))
            assert answer.status_code == 401
        checked.clear()
        for _ in range(4):
            for _ in range(5):
                refused = await stranger.sign_in(password="wrong", headers=origin("198.51.100.1"))
            server.now += RATE_BY_ADDRESS.seconds * SECOND
        assert len(checked) == RATE_BY_PAIR_UNDER_ATTACK.requests
        assert int(refused.headers["retry-after"]) > 3600
        # A new day: the counts of the past are deleted.
        server.now += 2 * RATE_OF_STRANGERS.seconds * SECOND
        assert (await stranger.sign_in(headers=origin("198.51.100.1"))).status_code == 200
        buckets = await rows(server, rate_counts.c.bucket, ephemeral=True)
        assert sorted(bucket for (bucket,) in buckets if "under" not in bucket) == [
            "sign-in from",
            "sign-in from, to",
            "sign-in to",
        ]


@pytest.mark.usefixtures("checked")
async def test_a_known_device(server: Server) -> None:
    """Its token is for one workspace and one password, ends after half a year, and has a limit of its own."""
    browser = Browser(server)
    answer = await browser.sign_in()
    written = answer.headers.get_list("set-cookie")[1]
    assert written.endswith("; Path=/session; Max-Age=15552000; HttpOnly; SameSite=Strict")
    name, _, token = written.partition(";")[0].partition("=")
    assert name == name_cookie("one")
    assert name != name_cookie("two")
    for _ in range(RATE_BY_ADDRESS.requests):
        refused = await Browser(server).sign_in(password="wrong")
    assert refused.status_code == 429

    async def status(token: str, workspace: str = "one") -> int:
        device = f"{name_cookie(workspace)}={token}"
        return (await Browser(server, device=device).sign_in(workspace)).status_code

    server.now += 1
    assert await status(token) == 200
    nonce, time, mac = token.split(".")
    for forged in (f"{nonce}.{int(time) + 9}.{mac}", f"{'0' * 32}.{time}.{mac}", mac, "", "x" * 9999):
        assert await status(forged) == 429, forged
    assert await status(token, "two") == 429
    # What a thief of the cookie may guess is limited, too.
    thief = Browser(server, device=f"{name}={token}")
    answers = [await thief.sign_in(password="wrong") for _ in range(RATE_BY_DEVICE.requests + 1)]
    assert [answer.status_code for answer in answers][-2:] == [429, 429]
    await set_password(server.beside, "one", PASSWORD)
    assert await status(token) == 429, "a new password ends what the old one made"


async def test_a_device_is_known_for_half_a_year(
    server: Server, browser: Browser, checked: list[str]
) -> None:
    """Each sign-in begins the half year anew."""
    await browser.sign_in()
    for later, expected in ((DEVICE_SECONDS - 1, 200), (DEVICE_SECONDS, 429)):
        device = browser.device
        server.now += later * SECOND
        for _ in range(RATE_BY_ADDRESS.requests):
            await Browser(server).sign_in(password="wrong")
        again = Browser(server, device=device)
        assert (await again.sign_in()).status_code == expected
        browser = again
    assert checked


async def test_a_full_queue_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers wait for one another, a few from each address; known devices wait for none of them."""
    monkeypatch.setattr(passwords, "MAX_WAITING", 5)
    begun, go = Event(), Event()

    def verify(kept: str, password: str) -> bool:
        begun.set()
        return go.wait(30) and (kept, password) == ("hash", PASSWORD)

    monkeypatch.setattr(passwords, "_verify_hash", verify)
    checker = PasswordChecker()

    async def ask(address: str) -> bool:
        return await checker.strangers.verify("hash", PASSWORD, address)

    asked = [asyncio.create_task(ask(address)) for address in ("a", "a", "a", "a", "b", "c", "d")]
    await asyncio.to_thread(begun.wait, 30)
    known = asyncio.create_task(checker.known_devices.verify("hash", PASSWORD, "a"))
    go.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [result is True for result in results] == [True, True, True, False, True, True, False]
    assert isinstance(results[3], TooManyRequests)
    assert await known
    assert await ask("a")


async def test_the_client_behind_a_proxy(url: str, checked: list[str]) -> None:
    """Only entries of trusted proxies count; those that the client sent do not."""
    cases: tuple[tuple[int, tuple[bytes, ...], tuple[str, ...]], ...] = (
        (0, (b"192.0.2.1", b"192.0.2.2"), ("127.0.0.1", "127.0.0.1")),
        (1, (b"192.0.2.1, 192.0.2.2", b" 10.0.0.1 ,192.0.2.2 "), ("192.0.2.2", "192.0.2.2")),
        (2, (b"192.0.2.1, 192.0.2.2", b"192.0.2.3"), ("192.0.2.1", "192.0.2.3")),
        (1, (b"2001:db8:1:2:3::1", b"2001:db8:1:2:ffff::9"), ("2001:db8:1:2::/64", "2001:db8:1:2::/64")),
        (1, (b"::ffff:192.0.2.9", b"unknown"), ("192.0.2.9", "")),
    )
    for proxies, sent, expected in cases:
        async with serving(url, now=NOW, trusted_proxies=proxies) as server:
            for written in sent:
                headers = [(b"content-type", b"application/json"), (b"x-forwarded-for", written)]
                body = [b'{"workspace":"one","password":"x"}']
                answer = await send_request(server.app, Request("POST", b"/session", b"", headers, body))
                assert answer.status == 401
            result = await rows(server, rate_counts.c.key, rate_counts.c.bucket, ephemeral=True)
            assert set(expected) <= {key for key, bucket in result if bucket == "sign-in from"}
    assert checked


# Errors


BAD = (
    ("POST", b"", "application/json", 400, {"error": "The body is empty"}),
    ("POST", b"{", "application/json", 400, {"error": "The body is not valid JSON"}),
    ("POST", b'{"workspace":"one"}', "text/plain", 415, {"error": "Content-Type must be application/json"}),
    ("POST", b" " * 16_385, "application/json", 413, {"error": "At most 16,384 bytes"}),
    (
        *("POST", b'{"password":5,"x":1}', "application/json", 400),
        {
            "error": "Invalid request",
            "fields": {"workspace": "Required", "password": "Expected string, received number"},
        },
    ),
    ("PUT", b"{}", "application/json", 405, {"error": "Method not allowed"}),
    ("GET", b"", "", 401, {"error": "Not signed in"}),
)


@pytest.mark.parametrize("bad", BAD)
async def test_every_error_has_the_same_envelope(
    server: Server, bad: tuple[str, bytes, str, int, dict[str, Any]]
) -> None:
    """All errors of the console use one envelope."""
    method, body, media, status, answer = bad
    headers = {"Content-Type": media} if media else {}
    got = await server.client.request(method, "/session", content=body, headers=headers)
    assert (got.status_code, got.json()) == (status, answer)
    assert got.headers["content-type"] == "application/json"
    if status == 405:
        assert got.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


async def test_a_crash_reveals_nothing(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in Diglot is a 500 in the same envelope."""

    async def fits(self: VerificationQueue, kept: str | None, password: str, address: str) -> bool:
        del self, kept, address
        raise RuntimeError(password)

    monkeypatch.setattr(VerificationQueue, "verify", fits)
    answer = await browser.sign_in()
    assert (answer.status_code, answer.json()) == (500, {"error": "Internal server error"})
    assert (await server.client.get("/nowhere")).json() == {
        "error": "Not found: Diglot serves /mail/v1 and /api/v1"
    }
