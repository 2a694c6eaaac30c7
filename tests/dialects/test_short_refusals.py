"""An error response is not much longer than the request."""

import json

import pytest

from support.servers.in_process import Server, bearer

JSON = "application/json"
KEY = "k" * 2_000
# The envelope, and the faults that are reported for any body.
MAX_EXTRA_BYTES = 100_000


def _attributes(value: object) -> bytes:
    return json.dumps({"email": "ada@example.com", "custom_fields": {"a": value}}).encode()


@pytest.mark.parametrize(
    ("path", "media", "body"),
    [
        pytest.param(
            "/contacts", JSON, _attributes({KEY: [2**63] * 2_000}), id="a long key above many faults"
        ),
        pytest.param(
            "/contacts", JSON, _attributes({KEY: {KEY: [2**63] * 99}}), id="long keys one in another"
        ),
        pytest.param(
            "/webhooks",
            JSON,
            json.dumps({"url": "https://example.com", "events": [""] * 9_000}).encode(),
            id="thousands of unknown events",
        ),
        pytest.param(
            "/keys", JSON, json.dumps({"name": "a", "scopes": [1, ""] * 4_500}).encode(), id="unknown scopes"
        ),
        pytest.param(
            "/contacts/import",
            "text/csv",
            b"e" + b"-" * 2_000 + b"mail\n" + b"x\n" * 2_000,
            id="a long name of a column above many rows at fault",
        ),
        pytest.param(
            "/contacts/import", "text/csv", b"email\n" + b"x" * 100 + b"\nx" * 2_000, id="many rows at fault"
        ),
    ],
)
async def test_an_error_response_is_not_much_longer_than_the_body(
    server: Server, path: str, media: str, body: bytes
) -> None:
    """A long path above many faults is not repeated with each of them."""
    key = await server.key("misar", "one")
    headers = {**bearer(key), "Content-Type": media}
    answer = await server.client.post(f"/mail/v1{path}", content=body, headers=headers)
    assert answer.status_code in (200, 400)
    assert answer.json().get("errors") or not answer.json()["success"]
    assert len(answer.content) < 20 * len(body) + MAX_EXTRA_BYTES
