"""Properties of every response: request ids, methods, slashes, crashes."""

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from diglot.api.dialect import Dialect, Surface
from diglot.dialects.registry import DIALECTS
from diglot.errors import Forbidden, InvalidSignature
from diglot.service.audience.segments import Segments
from support.engines import Database
from support.servers.asgi import Request, send_request
from support.servers.in_process import Server, bearer, idle_scope, serving

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
SECRET = "the secret of the inside"


@pytest_asyncio.fixture
async def own_server(database: Database) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own, which the test may break."""
    async with database.fresh() as url, serving(url) as server:
        yield server


async def get(server: Server, dialect: Dialect, path: str = "/segments", **more: Any) -> httpx.Response:
    """Send a GET with a key of the dialect."""
    headers = {**bearer(await server.key(dialect.name, "one")), **more.pop("headers", {})}
    return await server.client.request(
        more.pop("method", "GET"), dialect.prefix + path, headers=headers, **more
    )


@EVERY_DIALECT
@pytest.mark.parametrize("path", ["/segments", "/segments/nothing", "/nothing", "/contacts/import/x"])
async def test_a_request_id_comes_back(server: Server, dialect: Dialect, path: str) -> None:
    """A valid id of the client is kept; any other is replaced by a new one; errors have an id too."""
    given = await get(server, dialect, path, headers={"X-Request-Id": "a-b_c.1"})
    assert given.headers.get_list("x-request-id") == ["a-b_c.1"]
    for odd in ("", "a b", "a" * 129, "<x>", "a\tb"):
        created = await get(server, dialect, path, headers={"X-Request-Id": odd})
        assert re.fullmatch("[0-9a-f]{32}", created.headers["x-request-id"])
    one, other = await get(server, dialect, path), await get(server, dialect, path)
    assert one.headers["x-request-id"] != other.headers["x-request-id"]


@EVERY_DIALECT
@pytest.mark.parametrize("path", ["/segments", "/contacts?limit=1", "/segments/nothing", "/nothing"])
async def test_head_is_get_without_the_body(server: Server, dialect: Dialect, path: str) -> None:
    """HEAD has the status and the headers of GET, the length included, and no body."""
    whole = await get(server, dialect, path)
    head = await get(server, dialect, path, method="HEAD")
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == whole.headers[name]


@EVERY_DIALECT
async def test_options_names_every_method(server: Server, dialect: Dialect) -> None:
    """OPTIONS needs no key; OPTIONS and a 405 allow all methods of the path, HEAD and OPTIONS included."""
    methods: dict[str, set[str]] = {}
    for surface, operation in dialect.operations:
        methods.setdefault(surface.prefix + operation.path, {"OPTIONS"}).add(operation.method)
    for path, expected in methods.items():
        allowed = expected | ({"HEAD"} if "GET" in expected else set())
        url = re.sub(r"\{\w+:str\}", "x", path)
        for where in (url, f"{url}/", url.replace("/segments", "//segments")):
            answer = await server.client.options(where)
            assert answer.status_code == 204
            assert set(answer.headers["allow"].split(", ")) == allowed
        refused = await server.client.request("BREW", url)
        assert refused.status_code == 405
        assert set(refused.headers["allow"].split(", ")) == allowed
    assert (await server.client.options(f"{dialect.prefix}/nothing")).status_code == 404


@EVERY_DIALECT
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_trailing_slash_is_served(server: Server, dialect: Dialect, method: str) -> None:
    """A slash at the end changes nothing; no response is a redirect."""
    plain = await get(server, dialect, "/segments", method=method)
    slash = await get(server, dialect, "/segments/", method=method)
    assert (slash.status_code, slash.json()) == (plain.status_code, plain.json())


@EVERY_DIALECT
@pytest.mark.parametrize(
    "path", [b"/segments/a%00b", b"/segments/%00", b"/%00", b"/contacts/%ff%00%ed%a0%80"]
)
async def test_no_id_contains_nul(server: Server, dialect: Dialect, path: bytes) -> None:
    """In a path, U+0000 and invalid UTF-8 are an unknown id or an unknown route."""
    key = (await server.key(dialect.name, "one")).encode()
    headers = [(b"authorization", b"Bearer " + key)]
    answer = await send_request(server.app, Request("GET", dialect.prefix.encode() + path, headers=headers))
    assert answer.status == 404


@EVERY_DIALECT
async def test_an_invalid_host_header_is_rejected(server: Server, dialect: Dialect) -> None:
    """The server accepts any host name; an invalid one is a 400 in the dialect's words."""
    headers = [(b"host", b"a b/c?")]
    answer = await send_request(
        server.app, Request("GET", f"{dialect.prefix}/segments".encode(), headers=headers)
    )
    assert answer.status == 400
    assert b"host" in answer.body.lower()


CRASHES = {
    "misar": {"success": False, "error": "Internal server error"},
    "topmail": {"error": {"code": "internal_error", "message": "Internal server error"}},
}


@EVERY_DIALECT
async def test_a_crash_is_logged_and_reveals_nothing(
    server: Server, dialect: Dialect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The body of a 500 has no internals; the log has the traceback and the request id."""

    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(Segments, "find_known", crash)
    caplog.set_level(logging.ERROR, "diglot")
    answer = await get(server, dialect, "/segments/x", headers={"X-Request-Id": "find-me"})
    assert (answer.status_code, answer.json()) == (500, CRASHES[dialect.name])
    assert answer.headers["x-request-id"] == "find-me"
    assert SECRET not in str(answer.headers)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "find-me" in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET
    assert record.exc_info[2] is not None, "the traceback is in the log"


@EVERY_DIALECT
async def test_a_crash_has_the_error_body_of_its_surface(
    server: Server, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Legacy clients read the 500 in the error format that they know."""

    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(Segments, "find_known", crash)
    headers = bearer(await server.key(dialect.name, "one"))
    for surface in dialect.surfaces:
        answer = await server.client.get(f"{surface.prefix}/segments/x", headers=headers)
        assert (answer.status_code, answer.content) == (500, _encoded(surface, RuntimeError(SECRET)))


async def test_paths_outside_every_prefix_are_a_plain_404(server: Server) -> None:
    """A path of no dialect gets a plain response; a prefix ends at the end of a path segment."""
    for path in ("/nothing", "/mailv1/segments", "/api/v1x", "/io", "/io/contactsx"):
        answer = await server.client.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"])
    refused = await server.client.post("/health")
    assert refused.status_code in (404, 405)


@EVERY_DIALECT
async def test_a_missing_scope_is_a_403(server: Server, dialect: Dialect) -> None:
    """The scopes of a key decide whether it can read, write, or neither."""
    weak = await server.key(dialect.name, "one", (idle_scope(dialect),))
    for surface, operation in dialect.operations:
        url = surface.prefix + re.sub(r"\{\w+:str\}", "x", operation.path)
        answer = await server.client.request(operation.method, url, headers=bearer(weak))
        # A webhook of the vendor has a signature, and no key helps it.
        error = InvalidSignature() if operation.is_signed else Forbidden(operation.scope)
        assert answer.status_code == (401 if operation.is_signed else 403)
        assert answer.content == _encoded(surface, error)


def _encoded(surface: Surface, error: Exception) -> bytes:
    return msgspec.json.encode(surface.render_error(error).body)
