"""A database that is one record of the list: migrated, served and administered under a scheme of its own."""

import sys

from diglot.cli import commands
from diglot.storage.connect import create_engine, is_embedded
from diglot.storage.sql.databases import find_database
from support.one_guess import probing
from support.one_guess.probing import CONTACT

URL = f"pretend:///{sys.argv[1]}"


async def probe(_: str) -> None:
    """Write, scan and read; every statement is compiled for the record."""
    assert find_database(URL).name == "pretend"
    assert create_engine(URL).backend is find_database(URL)
    assert is_embedded(URL)
    async with probing.callers(URL) as every:
        topmail = every["topmail"]
        await topmail.send("POST", "/contacts", CONTACT)
        conditions = {"match": "all", "rules": [{"field": "email", "operator": "contains", "value": "ada"}]}
        made = await topmail.send("POST", "/segments", {"name": "s", "conditions": conditions})
        await topmail.send("POST", "/contacts", {"email": "adam@example.com"})
        members = await topmail.send("GET", f"/segments/{made['data']['id']}/contacts")
        assert [one["email"] for one in members["data"]] == ["adam@example.com", "ada@example.com"]


def administer() -> None:
    """Use it in the commands."""
    for command in (("migrate",), ("keys", "list"), ("workspaces", "list")):
        commands.main([*command, "--database", URL], prog_name="diglot", standalone_mode=False)


if __name__ == "__main__":
    probing.run(probe)
    administer()
