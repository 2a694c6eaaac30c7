"""The pages of keys: what each may do, a new one, and revocation."""

import html
import re
from typing import Final

import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from support.servers.in_process import Server, bearer, serving
from support.servers.person import Person, sign_in

NOW: Final = 1_772_366_400_000_000
DAY: Final = 86_400_000_000
SERVING: Final = {"now": NOW}
KEYS: Final = "/console/keys"
SCRIPT: Final = "<script>alert(1)</script>"
_REVOKE: Final = re.compile(r'action="(/console/keys/[^"]+/revoke)"')
each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


async def create(person: Person, dialect: str, **fields: str) -> str:
    """Create a key by the form, and return its secret."""
    answer = await person.send(f"{KEYS}/new/{dialect}", {"name": "Web shop"} | fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = re.search(r'aria-label="The key"><code>([^<]+)<', answer.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("dialect", "scope", "words", "path"),
    [
        ("misar", "read", "read everything, and change nothing", "/mail/v1/segments"),
        ("topmail", "contacts:read", "read contacts, segments, tags and events", "/api/v1/segments"),
    ],
)
async def test_a_key_is_made_used_and_revoked(
    server: Server, dialect: str, scope: str, words: str, path: str
) -> None:
    """Its secret is shown once and may do what was chosen; the list says when; revoked it opens nothing."""
    person = await sign_in(server)
    form = (await person.open(f"{KEYS}/new/{dialect}")).text
    assert f'value="{scope}"' in form
    secret = await create(person, dialect, scope=scope)
    listed = html.unescape((await person.open(KEYS)).text)
    assert secret not in listed
    assert ("Web shop" in listed, words in listed, "never" in listed) == (True, True, True)
    assert (await server.client.get(path, headers=bearer(secret))).status_code == 200
    assert (await server.client.post(path, json={}, headers=bearer(secret))).status_code == 403
    assert "1 Mar 2026, " in (await person.open(KEYS)).text
    # The newest key is the first in the list.
    answer = await person.send(_REVOKE.findall(listed)[0], {})
    assert (answer.status_code, answer.headers["location"]) == (303, KEYS)
    assert (await server.client.get(path, headers=bearer(secret))).status_code == 401
    assert "revoked on 1 Mar 2026" in (await person.open(KEYS)).text


async def test_a_workspace_without_keys(server: Server) -> None:
    """The list says what to do first."""
    person = await sign_in(server)
    for action in _REVOKE.findall((await person.open(KEYS)).text):
        await person.send(action, {})
    assert "No key works" in (await person.open(KEYS)).text


async def test_a_key_that_ends(server: Server) -> None:
    """It works until the beginning of its day in the workspace."""
    person = await sign_in(server)
    scope = "contacts:read"
    secret = await create(person, "topmail", scope=scope, expires="2026-03-03")
    assert "works until 3 Mar 2026, 00:00" in (await person.open(KEYS)).text
    server.now += 2 * DAY
    person = await sign_in(server)
    answer = await server.client.get("/api/v1/segments", headers=bearer(secret))
    assert answer.status_code == 401
    assert "expired on 3 Mar 2026" in (await person.open(KEYS)).text


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"name": " "}, "1 to 80 printable characters"),
        ({"name": "x" * 81}, "1 to 80 printable characters"),
        ({"scope": ""}, "unknown topmail scope"),
        ({"scope": "root"}, "unknown topmail scope"),
        ({"expires": "tomorrow"}, "such as 2027-05-03"),
        ({"expires": "9" * 50}, "such as 2027-05-03"),
        ({"expires": "2026-03-01"}, "lies in the future"),
    ],
)
async def test_faults_stand_beside_the_form(server: Server, fields: dict[str, str], fault: str) -> None:
    """Nothing of what was typed is lost, and no key is made."""
    person = await sign_in(server)
    sent = {"name": "Web shop", "scope": "lists:read", "expires": ""} | fields
    answer = await person.send(f"{KEYS}/new/topmail", sent)
    text = html.unescape(answer.text)
    assert (answer.status_code, fault in text) == (400, True)
    assert ('value="lists:read" checked' in text) == ("scope" not in fields)
    assert "Web shop" not in (await person.open(KEYS)).text


async def test_a_key_may_do_something(server: Server) -> None:
    """A form without a choice is told so."""
    person = await sign_in(server)
    answer = await person.send(f"{KEYS}/new/misar", {"name": "Nothing"})
    assert (answer.status_code, "Choose at least one" in answer.text) == (400, True)


async def test_scopes_of_the_vendor_are_named(server: Server) -> None:
    """A scope that opens no call here is shown as what it is."""
    person = await sign_in(server)
    await create(person, "misar", scope="templates")
    assert "for calls of Misar itself: templates" in html.unescape((await person.open(KEYS)).text)


@each_dialect
def test_every_scope_with_words_exists(dialect: Dialect) -> None:
    """No words are left over for a scope that was renamed, and the default scopes have words."""
    assert set(dialect.scope_words) <= set(dialect.key_format.scopes)
    assert set(dialect.key_format.default_scopes) <= set(dialect.scope_words)


async def test_the_limit_is_that_of_the_api(url: str) -> None:
    """A workspace with as many keys as it may have is told what to do."""
    async with serving(url, now=NOW, max_keys=1) as server:
        person = await sign_in(server)
        answer = await person.send(f"{KEYS}/new/misar", {"name": "One more", "scope": "read"})
        text = html.unescape(answer.text)
        assert (answer.status_code, "at most 1 valid API keys" in text, "Revoke a key" in text) == (
            409,
            True,
            True,
        )


async def test_keys_are_closed_to_others(server: Server) -> None:
    """Another workspace neither sees nor revokes a key, and another site makes none."""
    person, other = await sign_in(server), await sign_in(server, "two")
    secret = await create(person, "topmail", scope="contacts:read", name="Secret")
    assert "Secret" not in (await other.open(KEYS)).text
    for action in _REVOKE.findall((await person.open(KEYS)).text):
        assert (await other.send(action, {})).status_code == 404
        assert (await person.send(action, {"csrf_token": other.token})).status_code == 403
    assert (await server.client.get("/api/v1/segments", headers=bearer(secret))).status_code == 200
    made = await person.send(f"{KEYS}/new/misar", {"name": "x", "scope": "read", "csrf_token": ""})
    assert made.status_code == 403


async def test_paths_that_name_nothing(server: Server) -> None:
    """An unknown dialect and an unknown key are not found."""
    person = await sign_in(server)
    assert (await person.open(f"{KEYS}/new/acme")).status_code == 404
    assert (await person.send(f"{KEYS}/acme/x/revoke", {})).status_code == 404
    assert (await person.send(f"{KEYS}/misar/x/revoke", {})).status_code == 404


async def test_hostile_names(server: Server) -> None:
    """A name is shown as text."""
    person = await sign_in(server)
    await create(person, "topmail", scope="contacts:read", name=SCRIPT)
    page = (await person.open(KEYS)).text
    assert (SCRIPT in page, "&lt;script&gt;" in page) == (False, True)
