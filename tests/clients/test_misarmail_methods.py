"""Every audience method of the vendor's client from PyPI works, both the sync method and its async twin."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

import misarmail  # type: ignore[import-untyped]
import pytest

from support.engines import Database
from support.reporting import Tally
from support.servers.process import ServerProcess

GROUPS = ("contacts", "segments", "keys", "webhooks", "track")
EMAIL = "ada@example.com"
HOOK = {"url": "https://example.com/hook", "events": ["contact.created"]}
RULES = {"operator": "AND", "rules": [{"field": "email", "operator": "is_not_empty"}]}
SEGMENT = {"name": "All", "segment_type": "dynamic", "filter_criteria": RULES}
# In this order; `{name}` is the id from the response of an earlier call with that name.
CALLS: tuple[tuple[str, str, tuple[Any, ...], str], ...] = (
    ("contacts", "create", ({"email": EMAIL},), "contact"),
    ("contacts", "list", (), ""),
    ("contacts", "get", ("{contact}",), ""),
    ("contacts", "update", (EMAIL, {"first_name": "Ada"}), ""),
    ("contacts", "import_contacts", ({"contacts": [{"email": "bob@example.com"}]},), ""),
    ("segments", "members", ("{segment}", 1, 10), ""),
    ("track", "event", ({"email": EMAIL, "event_name": "email.opened"},), ""),
    ("track", "purchase", ({"email": EMAIL, "order_id": "o1", "total_cents": 500},), ""),
    ("keys", "create", ({"name": "Sync", "scopes": ["contacts"]},), "key"),
    ("keys", "list", (), ""),
    ("keys", "get", ("{key}",), ""),
    ("keys", "revoke", ("{key}",), ""),
    ("webhooks", "create", (HOOK,), "webhook"),
    ("webhooks", "list", (), ""),
    ("webhooks", "get", ("{webhook}",), ""),
    ("webhooks", "update", ("{webhook}", {"events": ["contact.updated"]}), ""),
    ("webhooks", "test", ("{webhook}",), ""),
    ("webhooks", "delete", ("{webhook}",), ""),
    ("contacts", "delete", ("{contact}",), ""),
)


def methods(group: str) -> set[str]:
    """Return the methods of a group of the client, without their async twins."""
    resource = type(getattr(misarmail.MisarMailClient("msk_x"), group))
    public = {name for name in vars(resource) if not name.startswith("_")}
    return {name for name in public if not (name.startswith("a") and name[1:] in public)}


def test_every_method_has_a_call() -> None:
    """The calls below cover all methods of the groups."""
    for group in GROUPS:
        assert {method for where, method, _, _ in CALLS if where == group} == methods(group)


@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
async def test_every_method_works(live: ServerProcess, prefix: str, database: Database, tally: Tally) -> None:
    """Each call succeeds without a plan error; a deletion is a deletion."""
    client = misarmail.MisarMailClient(await live.key("misar"), base_url=f"{live.base}/mail/v1")
    known = {"segment": client._request("POST", "/segments", SEGMENT)["data"]["id"]}
    for group, method, arguments, name in CALLS:
        given = [
            known[argument[1:-1]] if str(argument).startswith("{") and isinstance(argument, str) else argument
            for argument in arguments
        ]
        answer = await _call(getattr(getattr(client, group), f"{prefix}{method}"), *given)
        assert answer["success"] is True, (group, method)
        if name:
            known[name] = answer.get("keyId") or answer["data"]["id"]
    tally(
        f"audience methods of misarmail that work, of {len(CALLS)}",
        f"{database.name} {prefix}sync",
        len(CALLS),
    )


async def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    result = await asyncio.to_thread(function, *arguments)
    return await result if isawaitable(result) else result
