"""After any writes in both dialects, every contact_count of a tag equals a recount."""

import unicodedata
from collections import Counter
from random import Random
from typing import Any

import pytest

from support.engines import Database
from support.reporting import SEED, Tally
from support.servers.in_process import Server, bearer, serving

# Two spellings of one name, names that differ in case only, and one that is longer than /tags allows.
NAMES = (
    "vip",
    "VIP",
    "caf\u00e9",
    "cafe\u0301",
    "new",
    "a b",
    "\u540d\u524d",
    "x" * 60,
    '"quoted"',
    "\x1f",
    "old",
)
EMAILS = [f"person{number}@example.com" for number in range(12)]
NOW = 1_770_000_000_000_000
ROUNDS = 3
WRITES = 60


class Writer:
    """Sends random writes that change tags, in both dialects, to one workspace."""

    def __init__(self, server: Server, keys: dict[str, str], rng: Random) -> None:
        self.server = server
        self.keys = keys
        self.rng = rng

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        dialect = "misar" if path.startswith("/mail") else "topmail"
        answer = await self.server.client.request(method, path, json=body, headers=bearer(self.keys[dialect]))
        assert answer.status_code in (200, 201, 400, 404, 409), answer.text
        return answer.json()

    async def rows(self, path: str) -> list[dict[str, Any]]:
        result = await self.request("GET", f"/api/v1{path}?limit=1000")
        assert result["pagination"]["total"] == len(result["data"])
        rows: list[dict[str, Any]] = result["data"]
        return rows

    def names(self) -> list[str]:
        return self.rng.choices(NAMES, k=self.rng.randrange(4))

    async def write(self) -> None:
        """Send one random write."""
        writes = (
            self.create,
            self.change,
            self.delete,
            self.import_contacts,
            self.on_tag,
            self.on_its_contacts,
        )
        await self.rng.choice(writes)()

    async def create(self) -> None:
        body = {"email": self.rng.choice(EMAILS), "tags": self.names()}
        await self.request("POST", self.rng.choice(("/api/v1/contacts", "/mail/v1/contacts")), body)

    async def change(self) -> None:
        contacts = await self.rows("/contacts")
        if contacts:
            one = self.rng.choice(contacts)
            await self.request("PATCH", f"/api/v1/contacts/{one['id']}", {"tags": self.names()})

    async def delete(self) -> None:
        contacts = await self.rows("/contacts")
        if contacts:
            await self.request("DELETE", f"/api/v1/contacts/{self.rng.choice(contacts)['id']}")

    async def import_contacts(self) -> None:
        rows = [{"email": self.rng.choice(EMAILS), "tags": self.names()} for _ in range(6)]
        body = {"contacts": rows, "updateExisting": self.rng.random() < 0.7, "tags": self.names()}
        await self.request("POST", "/mail/v1/contacts/import", body)

    async def on_tag(self) -> None:
        tags = await self.rows("/tags")
        one = self.rng.choice(tags)["id"] if tags else None
        what = self.rng.choice(("make", "rename", "rename", "delete"))
        if what == "make" or one is None:
            await self.request("POST", "/api/v1/tags", {"name": self.rng.choice(NAMES)})
        elif what == "rename":
            await self.request("PATCH", f"/api/v1/tags/{one}", {"name": self.rng.choice(NAMES)})
        else:
            await self.request("DELETE", f"/api/v1/tags/{one}")

    async def on_its_contacts(self) -> None:
        tags, contacts = await self.rows("/tags"), await self.rows("/contacts")
        if not tags or not contacts:
            return
        path = f"/api/v1/tags/{self.rng.choice(tags)['id']}/contacts"
        ids = [item["id"] for item in self.rng.choices(contacts, k=3)]
        if self.rng.random() < 0.6:
            await self.request("POST", path, {"contact_ids": ids})
        else:
            await self.request("DELETE", f"{path}/{ids[0]}")


def exact(name: str) -> str:
    return unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("round_", range(ROUNDS))
async def test_tag_counts_equal_recounts(
    database: Database, round_: int, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """After each write, the tags and the contacts agree."""
    seed = f"{pytestconfig.stash[SEED]} {round_}"
    async with database.fresh() as url, serving(url, now=NOW) as server:
        keys = {dialect: await server.key(dialect, "one") for dialect in ("misar", "topmail")}
        writer = Writer(server, keys, Random(seed))
        for _ in range(WRITES):
            await writer.write()
            contacts = await writer.rows("/contacts")
            tags = await writer.rows("/tags")
            borne = Counter(exact(name) for contact in contacts for name in contact["tags"])
            counted = {exact(tag["name"]): tag["contact_count"] for tag in tags}
            assert len(counted) == len(tags)
            assert counted == {name: borne[name] for name in counted}
            assert set(borne) <= set(counted)
        for tag in tags:
            rows = await writer.rows(f"/tags/{tag['id']}/contacts")
            assert len(rows) == tag["contact_count"]
    tally("writes after which every tag was recounted", database.name, WRITES)


async def test_a_rename_reaches_every_contact(database: Database) -> None:
    """A rename of a tag on more contacts than one batch changes all of them, or none."""
    async with database.fresh() as url, serving(url, now=NOW) as server:
        keys = {dialect: await server.key(dialect, "one") for dialect in ("misar", "topmail")}
        writer = Writer(server, keys, Random(0))
        rows = [{"email": f"{n}@example.com", "tags": ["vip", f"g{n % 2}"]} for n in range(2_500)]
        await writer.request("POST", "/mail/v1/contacts/import", {"contacts": rows})
        ids = {tag["name"]: tag["id"] for tag in await writer.rows("/tags")}
        taken = await writer.request("PATCH", f"/api/v1/tags/{ids['vip']}", {"name": "g0"})
        assert taken["error"]["code"] == "duplicate"
        renamed = await writer.request("PATCH", f"/api/v1/tags/{ids['vip']}", {"name": "best"})
        assert (renamed["data"]["name"], renamed["data"]["contact_count"]) == ("best", 2_500)
        await writer.request("DELETE", f"/api/v1/tags/{ids['g1']}")
        tags = await writer.rows("/tags")
        assert {tag["name"]: tag["contact_count"] for tag in tags} == {"best": 2_500, "g0": 1_250}
        page = await writer.request("GET", f"/api/v1/tags/{ids['vip']}/contacts?limit=2&offset=2498")
        assert [item["tags"] for item in page["data"]] == [["best"], ["best", "g0"]]
        assert page["pagination"]["total"] == 2_500
