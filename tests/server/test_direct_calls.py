"""Calls that are answered without Litestar: each answer is the one that Litestar's route gives."""

from collections.abc import Mapping
from typing import Any

import pytest

from diglot.dialects.registry import DIALECTS
from diglot.server import direct_calls
from diglot.server.console.errors import render_error
from diglot.server.direct_calls import DirectCalls
from support.servers.in_process import Server, bearer

NO_CALLS = DirectCalls((), None, lambda path: render_error)
SEGMENT = "/mail/v1/segments/seg_01jqsv4z0tfmz8yjgv5gpmyqv0"
# Method, path and headers of requests, and whether the table answers them.
REQUESTS: list[tuple[str, str, Mapping[str, str], bool]] = [
    ("GET", "/mail/v1/segments", {}, True),
    ("GET", "/mail/v1/segments?limit=x", {}, True),
    ("GET", SEGMENT, {}, True),
    ("GET", f"{SEGMENT}/members", {}, True),
    ("GET", "/mail/v1/segments/%2e%2e", {}, True),
    ("GET", "/mail/v1/segments/a%2Fb", {}, False),
    ("DELETE", SEGMENT, {}, True),
    ("POST", f"{SEGMENT}/refresh", {}, True),
    ("GET", "/mail/v1/segments/", {}, False),
    ("GET", "//mail/v1//segments", {}, False),
    ("GET", "/mail/v1/segments/x%00", {}, True),
    ("GET", f"{SEGMENT}/nothing", {}, False),
    ("GET", "/mail/v1", {}, False),
    ("PUT", SEGMENT, {}, False),
    ("HEAD", SEGMENT, {}, False),
    ("OPTIONS", SEGMENT, {}, False),
    ("GET", SEGMENT, {"host": "a b"}, False),
    ("GET", SEGMENT, {"host": "a!b"}, False),
    ("GET", SEGMENT, {"cookie": "diglot_session=x"}, True),
    ("GET", SEGMENT, {"Authorization": ""}, True),
    ("GET", "/mail/openapi.json", {}, False),
    ("GET", "/session", {}, False),
    ("GET", "/", {}, False),
]


@pytest.mark.parametrize("request_", REQUESTS)
async def test_an_answer_is_that_of_litestar(
    server: Server, monkeypatch: pytest.MonkeyPatch, request_: tuple[str, str, Mapping[str, str], bool]
) -> None:
    """Status, body and headers are the same on both ways; the table answers what is usual."""
    method, path, headers, is_direct = request_
    sent = {**bearer(await server.key("misar", "one")), "x-request-id": "one", **headers}
    found: list[bool] = []
    find = server.app._calls.find

    def note(scope: dict[str, Any], names: Mapping[bytes, bytes]) -> Any:
        result = find(scope, names)
        found.append(result is not None)
        return result

    with monkeypatch.context() as noting:
        noting.setattr(server.app._calls, "find", note)
        direct = await server.client.request(method, path, headers=sent)
    assert any(found) is is_direct
    monkeypatch.setattr(server.app, "_calls", NO_CALLS)
    routed = await server.client.request(method, path, headers=sent)
    assert (direct.status_code, direct.content) == (routed.status_code, routed.content)
    assert dict(direct.headers) == dict(routed.headers)


async def test_a_repeated_header_is_left_to_litestar(server: Server) -> None:
    """The first of two hosts decides there, so the table must not look at the last one."""
    headers = [("host", "a b"), ("host", "good"), *bearer(await server.key("misar", "one")).items()]
    assert (await server.client.get(SEGMENT, headers=headers)).status_code == 400


async def test_an_app_under_a_root_path_is_left_to_litestar(server: Server) -> None:
    """Litestar cuts the root path from the path of a request."""
    calls: DirectCalls = server.app._calls
    scope = {"path": SEGMENT, "method": "GET", "headers": []}
    assert calls.find(scope, {}) is not None
    assert calls.find({**scope, "root_path": "/proxy"}, {}) is None


async def test_few_paths_are_remembered(server: Server) -> None:
    """The parameters are those of the path, also when the memory is full, and no long path fills it."""
    calls: DirectCalls = server.app._calls
    for number in (*range(2 * direct_calls.MAX_RECENT), 0, 0, "x" * 300):
        scope: dict[str, Any] = {
            "path": f"/mail/v1/segments/{number}",
            "method": "GET",
            "headers": [],
        }
        assert calls.find(scope, {}) is not None
        assert scope["path_params"] == {"segment_id": f"{number}"}
    assert 0 < len(calls._recent) <= direct_calls.MAX_RECENT
    assert max(len(path) for _, path in calls._recent) < 300


async def test_every_operation_is_in_the_table(server: Server) -> None:
    """No call of a dialect takes the long way."""
    calls: DirectCalls = server.app._calls
    for dialect in DIALECTS:
        for surface, operation in dialect.operations:
            path = surface.prefix + operation.path.replace("{", "").replace(":str}", "")
            assert calls.find({"path": path, "method": operation.method, "headers": []}, {}) is not None


async def test_a_fault_of_a_call_is_a_500_in_the_dialect(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the request, whose id the client has too."""

    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("diglot.api.pipeline._admit_call", fail)
    answer = await server.client.get(SEGMENT, headers={"x-request-id": "one"})
    assert answer.status_code == 500
    assert answer.json()["success"] is False
    assert answer.headers["x-request-id"] == "one"
    assert "request one failed" in caplog.text
