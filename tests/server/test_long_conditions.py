"""Long conditions that arrive together do not stop the event loop for as long as all of them take."""

import asyncio
from typing import Any

from diglot.api.call import SHORT_OBJECT
from diglot.api.input import request_body
from support.servers.in_process import Server, bearer

REQUESTS = 8


async def test_others_run_between_two_long_bodies(module_server: Server, monkeypatch: Any) -> None:
    """Each body is read in an iteration of the loop of its own."""
    headers = bearer(await module_server.key("misar", "one"))
    rules = [{"field": "company", "operator": "contains", "value": f"zz{number}"} for number in range(100)]
    body = {"filter_criteria": {"operator": "OR", "rules": rules}}
    order: list[str] = []
    parse = request_body.parse_object

    def note(content: bytes, *, unique_keys: bool = False) -> Any:
        assert len(content) > SHORT_OBJECT
        order.append("body")
        return parse(content, unique_keys=unique_keys)

    async def other() -> None:
        while True:
            order.append("other")
            await asyncio.sleep(0)

    monkeypatch.setattr(request_body, "parse_object", note)
    running = asyncio.create_task(other())
    path = "/mail/v1/segments/dry-run"
    answers = await asyncio.gather(
        *(module_server.client.post(path, headers=headers, json=body) for _ in range(REQUESTS))
    )
    running.cancel()
    assert {answer.status_code for answer in answers} == {200}
    assert order.count("body") == REQUESTS
    assert "body body" not in " ".join(order)
