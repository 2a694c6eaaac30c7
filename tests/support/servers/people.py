"""What tests of pages about contacts create by the API of a vendor."""

from collections.abc import Mapping
from typing import Any, Final

from support.servers.in_process import Server, bearer

EVERYBODY: Final = {"match": "all", "rules": [{"field": "email", "operator": "is_set"}]}


async def create(server: Server, email: str, workspace: str = "one", **more: Any) -> str:
    """Create a contact by a key, and return its id."""
    return await _post(server, "contacts", {"email": email} | more, workspace)


async def create_segment(
    server: Server, name: str, rules: Mapping[str, Any] = EVERYBODY, workspace: str = "one"
) -> str:
    """Create a segment by a key, and return its id."""
    return await _post(server, "segments", {"name": name, "conditions": rules}, workspace)


async def create_list(server: Server, name: str, workspace: str = "one") -> str:
    """Create a static list by a key, and return its id."""
    return await _post(server, "lists", {"name": name, "type": "static"}, workspace)


async def get_contact(server: Server, id_: str, workspace: str = "one") -> Any:
    """Return a contact as the API shows it."""
    key = await server.key("topmail", workspace)
    answer = await server.client.get(f"/api/v1/contacts/{id_}", headers=bearer(key))
    return answer.json()["data"] if answer.status_code == 200 else None


async def change(server: Server, id_: str, body: Mapping[str, Any]) -> None:
    """Change a contact by a key."""
    key = await server.key("topmail", "one")
    answer = await server.client.patch(f"/api/v1/contacts/{id_}", json=dict(body), headers=bearer(key))
    assert answer.status_code == 200, answer.text


async def send_event(server: Server, email: str, name: str, data: Mapping[str, Any]) -> None:
    """Send an event of a contact by a key."""
    key = await server.key("misar", "one")
    body = {"email": email, "event_name": name, "event_data": dict(data)}
    answer = await server.client.post("/mail/v1/track/event", json=body, headers=bearer(key))
    assert answer.is_success, answer.text


async def _post(server: Server, kind: str, body: Mapping[str, Any], workspace: str) -> str:
    key = await server.key("topmail", workspace)
    answer = await server.client.post(f"/api/v1/{kind}", json=dict(body), headers=bearer(key))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])
