"""Export and erasure of all that is stored about one person."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from diglot.storage.schema.migrate import upgrade_schema
from support.commands import Run, command_runner
from support.marked_rows import load_rows
from support.servers.in_process import bearer, serving

ADA, LONGER, BOB = "ada@example.com", "not-ada@example.com", "bob@example.com"
MARKER, OTHERS = "marker-of-ada", "marker-of-bob"
VIPS = {"operator": "AND", "rules": [{"field": "tags", "operator": "contains", "value": "vip"}]}
TIME = 1_780_000_000_000_000


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command."""
    return command_runner(capsys, monkeypatch)


async def send(client: httpx.AsyncClient, key: str, path: str, body: Any, name: str = "") -> Any:
    """Send a request and return what it created."""
    headers = {**bearer(key), **({"Idempotency-Key": name} if name else {})}
    answer = await client.post(path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


async def fill(url: str, *, delete: bool = False) -> str:
    """Store something of Ada, of Bob and of somebody with a longer address in all kinds of rows.

    Return the id of Ada's contact. With `delete` a client deletes the contact at the end.
    """
    async with serving(url, now=TIME, webhook_targets="any") as server:
        misar, topmail = await server.key("misar", "acme"), await server.key("topmail", "acme")
        client = server.client
        hook = {
            "url": "https://hooks.example.com/x",
            "events": ["contact.created", "contact.updated"],
        }
        await send(client, misar, "/mail/v1/webhooks", hook)
        segment = {"name": "VIPs", "segment_type": "dynamic", "filter_criteria": VIPS}
        await send(client, misar, "/mail/v1/segments", segment)
        list_ = await send(client, topmail, "/api/v1/lists", {"name": "News", "type": "static"})
        ids = {}
        for email, mark in ((ADA, MARKER), (LONGER, OTHERS), (BOB, OTHERS)):
            server.now += 1_000_000
            body = {"email": email, "first_name": mark, "tags": ["vip"], "custom_fields": {"note": mark}}
            created = await send(client, misar, "/mail/v1/contacts", body, f"create {mark} {email}")
            ids[email] = created["data"]["id"]
            order = {"email": email, "order_id": f"{mark} {email}", "total_cents": 500, "currency": "EUR"}
            await send(client, misar, "/mail/v1/track/purchase", order, f"order {mark} {email}")
        members = {"contact_ids": [*ids.values()]}
        await send(client, topmail, f"/api/v1/lists/{list_['data']['id']}/members", members, "members")
        rows = [{"email": email, "custom_fields": {"x" * 200: "y"}} for email in (ADA, BOB)]
        await client.post(
            "/mail/v1/contacts/import",
            json={"contacts": rows},
            headers={**bearer(misar), "Idempotency-Key": "import"},
        )
        if delete:
            gone = await client.delete(f"/mail/v1/contacts/{ids[ADA]}", headers=bearer(misar))
            assert gone.is_success, gone.text
        return str(ids[ADA])


def test_all_of_a_person_is_exported(diglot: Run, url: str) -> None:
    """The contact, where it is, what it did, and each row that has it; nothing of others."""
    id_ = asyncio.run(fill(url))
    exported = diglot("contacts", "export", ADA.upper(), "--workspace", "acme", "--database", url)
    assert exported.code == 0, exported.err
    shown = json.loads(exported.out)
    assert shown["contact"]["id"] == id_
    assert shown["contact"]["attributes"] == {"note": MARKER}
    assert shown["contact"]["tags"] == ["vip"]
    assert [list_["name"] for list_ in shown["lists"]] == ["News"]
    assert [segment["name"] for segment in shown["segments"]] == ["VIPs"]
    assert [event["order_id"] for event in shown["events"]] == [f"{MARKER} {ADA}"]
    assert [change["entered"] for change in shown["membership_changes"]] == [True]
    assert {delivery["event"] for delivery in shown["deliveries"]} == {"contact created"}
    assert len(shown["kept_responses"]) >= 2
    for of_others in (OTHERS, BOB, LONGER):
        assert of_others not in exported.out


def test_nothing_of_an_erased_person_is_left(diglot: Run, url: str) -> None:
    """No table has the address or a marker of the contact in any column; others keep theirs."""
    id_ = asyncio.run(fill(url))
    before = asyncio.run(load_rows(url))
    command = ("contacts", "erase", ADA, "--workspace", "acme", "--database", url)
    refused = diglot(*command, stdin="yes\n")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert asyncio.run(load_rows(url)) == before
    erased = diglot(*command, "--confirm", ADA)
    assert (erased.code, erased.out) == (0, ""), erased.err
    assert erased.err.startswith("The contact is deleted; ")
    after = asyncio.run(load_rows(url))
    others = str(after).replace(LONGER, "")
    assert ADA not in others
    assert MARKER not in others
    assert [name for name, rows in after.items() if id_ in str(rows)] == ["deleted_contacts"]
    for table in ("contacts", "events", "deliveries", "idempotent_responses"):
        kept = [row for row in before[table] if MARKER not in str(row) and id_ not in str(row)]
        kept = [row for row in kept if ADA not in str(row).replace(LONGER, "")]
        assert after[table] == kept != before[table], table
    assert diglot("check", "--database", url).code == 0
    again = diglot(*command, "--confirm", ADA)
    assert (again.code, again.err) == (
        0,
        "There was no contact with this address; 0 deliveries and 0 kept responses are deleted.\n",
    )
    exported = json.loads(diglot("contacts", "export", ADA, "--workspace", "acme", "--database", url).out)
    assert {name for name, value in exported.items() if value} == {"workspace", "email"}


def test_a_contact_that_was_deleted_before(diglot: Run, url: str) -> None:
    """What deliveries, kept responses and the history still hold is exported, and erased."""
    id_ = asyncio.run(fill(url, delete=True))
    exported = diglot("contacts", "export", ADA, "--workspace", "acme", "--database", url).out
    shown = json.loads(exported)
    assert shown["contact"] is None
    assert [change["entered"] for change in shown["membership_changes"]] == [True, False]
    assert id_ in exported
    erased = diglot("contacts", "erase", ADA, "--workspace", "acme", "--confirm", ADA, "--database", url)
    assert erased.code == 0
    assert erased.err.startswith("There was no contact with this address; ")
    after = str(asyncio.run(load_rows(url))).replace(LONGER, "")
    assert ADA not in after
    assert MARKER not in after


def test_a_rewritten_file_has_no_bytes_of_the_person(diglot: Run, tmp_path: Path) -> None:
    """Free pages of SQLite keep deleted rows; `--vacuum` rewrites the file."""
    file = tmp_path / "diglot.db"
    asyncio.run(upgrade_schema(str(file)))
    asyncio.run(fill(str(file)))

    def has_marker() -> bool:
        return any(MARKER.encode() in path.read_bytes() for path in tmp_path.glob("diglot.db*"))

    assert has_marker()
    command = ("contacts", "erase", ADA, "--workspace", "acme", "--confirm", ADA, "--database", str(file))
    assert diglot(*command, "--vacuum").code == 0
    assert not has_marker()
    assert diglot("check", "--database", str(file)).code == 0


def test_an_unknown_workspace(diglot: Run, url: str) -> None:
    """It is one line."""
    for command in (("export", ADA), ("erase", ADA, "--confirm", ADA)):
        refused = diglot("contacts", *command, "--workspace", "none", "--database", url)
        assert (refused.code, refused.out, refused.err) == (
            2,
            "",
            "diglot: there is no such workspace none\n",
        )


async def fill_international(url: str, *, delete: bool) -> None:
    """Store a contact whose address is shown in other letters than it is compared in."""
    async with serving(url, now=TIME, webhook_targets="any") as server:
        key = await server.key("misar", "acme")
        hook = {"url": "https://hooks.example.com/x", "events": ["contact.created"]}
        await send(server.client, key, "/mail/v1/webhooks", hook)
        body = {"email": "Zoe\u0308@BÜcher.example", "first_name": MARKER}
        created = await send(server.client, key, "/mail/v1/contacts", body, "create")
        if delete:
            path = f"/mail/v1/contacts/{created['data']['id']}"
            assert (await server.client.delete(path, headers=bearer(key))).is_success


@pytest.mark.parametrize("delete", [False, True], ids=["kept", "deleted"])
def test_an_address_in_other_letters(diglot: Run, url: str, *, delete: bool) -> None:
    """All that is stored of a person is found by each form of the address."""
    asyncio.run(fill_international(url, delete=delete))
    for address in ("zoë@bücher.example", "ZOË@xn--bcher-kva.example"):
        exported = json.loads(
            diglot("contacts", "export", address, "--workspace", "acme", "--database", url).out
        )
        assert (exported["contact"] is None) == delete
        assert delete or exported["contact"]["email"] == "Zoe\u0308@BÜcher.example"
        assert exported["deliveries"]
        assert exported["kept_responses"]
    command = ("contacts", "erase", address, "--workspace", "acme", "--confirm", address, "--database", url)
    assert diglot(*command).code == 0
    assert MARKER not in str(asyncio.run(load_rows(url)))
