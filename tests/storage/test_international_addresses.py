"""The upgrade to r005 stores addresses with their domains as A-labels, and two that are the same stay two."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, text

from diglot.service.contacts.personal_data import PersonalData
from diglot.storage.connect import create_engine
from diglot.storage.schema import migrate
from diglot.storage.schema.migrations.versions import r005_international_addresses
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.databases import find_database
from support.earlier_revisions import take_back
from support.servers.in_process import Server, bearer, serving

ADA, EVE, TWIN = "ada@bücher.example", "eve@bücher.example", "eve@xn--bcher-kva.example"
RULES = [
    {"field": "email", "operator": "equals", "value": ADA},
    {"field": "email", "operator": "in", "value": ["x", "bob@bücher.example"]},
    {"field": "email", "operator": "contains", "value": "nobody@bücher.example"},
    {"field": "first_name", "operator": "equals", "value": "Zoë"},
]
OF_TWIN = [{"field": "email", "operator": "equals", "value": EVE}]
NEGATIVE = [{"field": "email", "operator": "not_in", "value": [ADA, "plain@example.com"]}]


async def _run(url: str, *statements: str) -> list[Sequence[Any]]:
    """Run statements in one transaction, and return the rows of the last one."""

    def execute(connection: Connection) -> list[Sequence[Any]]:
        results = [connection.execute(text(statement)) for statement in statements]
        return [tuple(row) for row in results[-1]] if results[-1].returns_rows else []

    async with find_database(url).load_migrator().begin(url) as transaction:
        return await transaction.run_sync(execute)


async def _ask(server: Server, key: Mapping[str, str], method: str, path: str, body: Any = None) -> Any:
    """Send a request that succeeds, and return its data."""
    answer = await server.client.request(method, f"/mail/v1{path}", json=body, headers=key)
    assert answer.status_code < 300, answer.text
    return answer.json()["data"]


async def _fill(url: str) -> None:
    """Store contacts and segments as earlier revisions did: domains in addresses as they were sent."""
    async with serving(url) as server:
        key = bearer(await server.key("misar", "acme"))
        for email in ("plain@example.com", ADA, "old.eve@example.com", TWIN, "bob@bücher.example"):
            contact = {"email": email, "first_name": "Zoe\u0308" if email == ADA else None}
            await _ask(server, key, "POST", "/contacts", contact)
        for rules in (RULES, NEGATIVE, OF_TWIN):
            tree = {"operator": "OR", "rules": rules}
            body = {"name": "S", "segment_type": "dynamic", "filter_criteria": tree}
            await _ask(server, key, "POST", "/segments", body)
    await _run(
        url,
        f"UPDATE contacts SET email = '{EVE}' WHERE email = 'old.eve@example.com'",
        "UPDATE contacts SET email = replace(email, 'xn--bcher-kva', 'bücher'),"
        " as_sent = replace(replace(as_sent, ',\"email_as_sent\":\"ada@bücher.example\"', ''),"
        " '\"email_as_sent\":\"ada@bücher.example\",', '')"
        f" WHERE email <> '{TWIN}'",
        "UPDATE contacts SET as_sent = NULL WHERE email LIKE 'bob%'",
        "UPDATE segments SET tree = replace(tree, 'xn--bcher-kva', 'bücher')",
    )
    stored = await _run(url, "SELECT tree FROM segments")
    assert all("xn--" not in row[0] for row in stored)
    await take_back(url, "r002")


async def test_addresses_are_found_in_either_form(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contacts, shown values and members stay as they were; an address has one contact only."""
    monkeypatch.setattr(r005_international_addresses, "_SLICE", 2)
    await _fill(url)
    before = await _run(url, "SELECT email, first_name FROM contacts ORDER BY pk")
    assert [row[0] for row in before] == ["plain@example.com", ADA, EVE, TWIN, "bob@bücher.example"]
    assert await migrate.upgrade_schema(url) == ("r002", LATEST)
    after = [row[0] for row in await _run(url, "SELECT email FROM contacts ORDER BY pk")]
    assert after == ["plain@example.com", "ada@xn--bcher-kva.example", EVE, TWIN, "bob@xn--bcher-kva.example"]
    async with serving(url) as server:
        key = bearer(await server.key("misar", "acme"))
        shown = await _ask(server, key, "GET", "/contacts")
        assert [contact["email"] for contact in reversed(shown)] == [row[0] for row in before]
        assert [contact["first_name"] for contact in shown if contact["email"] == ADA] == ["Zoe\u0308"]
        twin = await server.client.post(
            "/mail/v1/contacts", json={"email": "ada@xn--bcher-kva.example"}, headers=key
        )
        assert twin.status_code == 409
        _, negative, positive = (await _ask(server, key, "GET", "/segments"))["segments"]
        assert (positive["contact_count"], negative["contact_count"]) == (2, 3)
        of_twin = await _run(url, f"SELECT count(*) FROM segments WHERE tree LIKE '%{EVE}%'")
        assert of_twin == [(1,)]
        ids = {contact["email"]: contact["id"] for contact in shown}
        # Of two contacts with the same address one is changed; they stay twins until its address is.
        await _ask(server, key, "PATCH", f"/contacts/{ids[EVE]}", {"first_name": "Eve"})
        moved = await _ask(server, key, "PATCH", f"/contacts/{ids[EVE]}", {"email": "eve2@BÜCHER.example"})
        assert (moved["email"], moved["first_name"]) == ("eve2@BÜCHER.example", "Eve")
    assert (await _run(url, "SELECT count(*) FROM contacts WHERE email LIKE '%ü%'"))[0][0] == 0


async def _set_status(server: Server, key: Mapping[str, str], id_: str, status: str) -> None:
    await _ask(server, key, "PATCH", f"/contacts/{id_}", {"status": status})


async def _import(server: Server, key: Mapping[str, str], *rows: Mapping[str, str]) -> None:
    body = {"contacts": rows}
    imported = await server.client.post("/mail/v1/contacts/import", json=body, headers=key)
    assert imported.status_code == 200, imported.text


async def _statuses(server: Server, key: Mapping[str, str]) -> dict[str, str]:
    return {contact["email"]: contact["status"] for contact in await _ask(server, key, "GET", "/contacts")}


@pytest.mark.parametrize(("twin", "other"), [(EVE, TWIN), (TWIN, EVE)])
async def test_an_opt_out_reaches_both_twins(url: str, twin: str, other: str) -> None:
    """A status that one twin is lowered to, even again, lowers the other; a raised one does not raise it."""
    await _fill(url)
    await migrate.upgrade_schema(url)
    async with serving(url) as server:
        key = bearer(await server.key("misar", "acme"))
        ids = {contact["email"]: contact["id"] for contact in await _ask(server, key, "GET", "/contacts")}
        await _set_status(server, key, ids[twin], "unsubscribed")
        statuses = await _statuses(server, key)
        assert [email for email in statuses if statuses[email] == "unsubscribed"] == [TWIN, EVE]
        await _set_status(server, key, ids[other], "subscribed")
        statuses = await _statuses(server, key)
        assert (statuses[twin], statuses[other]) == ("unsubscribed", "subscribed")
        await _set_status(server, key, ids[twin], "unsubscribed")
        assert (await _statuses(server, key))[other] == "unsubscribed"


async def test_an_imported_opt_out_reaches_both_twins(url: str) -> None:
    """So does one of a contact that has opted out before; a row about something else lowers nobody."""
    await _fill(url)
    await migrate.upgrade_schema(url)
    async with serving(url) as server:
        key = bearer(await server.key("misar", "acme"))
        ids = {contact["email"]: contact["id"] for contact in await _ask(server, key, "GET", "/contacts")}
        await _import(server, key, {"email": "Eve@BÜCHER.example", "status": "bounced"})
        statuses = await _statuses(server, key)
        assert (statuses[EVE], statuses[TWIN]) == ("bounced", "bounced")
        await _set_status(server, key, ids[EVE], "subscribed")
        await _import(server, key, {"email": TWIN, "first_name": "Eve"})
        assert (await _statuses(server, key))[EVE] == "subscribed"
        await _import(server, key, {"email": TWIN, "opt_out": "yes"}, {"email": "plain@example.com"})
        statuses = await _statuses(server, key)
        assert (statuses[EVE], statuses[TWIN], statuses["plain@example.com"]) == (
            "bounced",
            "bounced",
            "subscribed",
        )


async def test_a_twin_is_found_when_the_other_is_gone(url: str) -> None:
    """No second contact is made beside a twin that is left in the earlier form."""
    await _fill(url)
    await migrate.upgrade_schema(url)
    async with serving(url) as server:
        key = bearer(await server.key("misar", "acme"))
        ids = {contact["email"]: contact["id"] for contact in await _ask(server, key, "GET", "/contacts")}
        deleted = await server.client.delete(f"/mail/v1/contacts/{ids[TWIN]}", headers=key)
        assert deleted.status_code == 200
        for address in (TWIN, EVE):
            created = await server.client.post("/mail/v1/contacts", json={"email": address}, headers=key)
            assert created.status_code == 409
            plain = f"/mail/v1/contacts/{ids['plain@example.com']}"
            moved = await server.client.patch(plain, json={"email": address}, headers=key)
            assert moved.status_code == 409
        await _import(server, key, {"email": TWIN, "status": "unsubscribed"}, {"email": "new@example.com"})
        event = {"email": TWIN, "event_name": "email.opened"}
        recorded = await server.client.post("/mail/v1/track/event", json=event, headers=key)
        assert recorded.status_code == 200, recorded.text
        statuses = await _statuses(server, key)
        assert statuses[EVE] == "unsubscribed"
        assert TWIN not in statuses


async def test_both_twins_are_exported_and_erased(url: str) -> None:
    """A person is told of both contacts, and one erasure leaves none of them."""
    await _fill(url)
    await migrate.upgrade_schema(url)
    engine = create_engine(url)
    await engine.open()
    try:
        data = PersonalData(engine)
        exported = await data.export("acme", EVE)
        other = [one["contact"]["email"] for one in exported["other_contacts"]]
        assert (exported["contact"]["email"], other) == (TWIN, [EVE])
        assert (await data.erase("acme", EVE)).contacts == 2
        assert (await data.export("acme", EVE))["contact"] is None
        assert (await data.erase("acme", EVE)).contacts == 0
    finally:
        await engine.close()
    assert await _run(url, f"SELECT count(*) FROM contacts WHERE email IN ('{EVE}', '{TWIN}')") == [(0,)]
