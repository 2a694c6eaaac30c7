"""The requests that may go to an upstream, their headers, and the error responses without one."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from diglot.api.dialect import Surface
from diglot.api.responses import EXTRA_HEADERS
from diglot.dialects.registry import DIALECTS
from diglot.errors import Misconfigured, NotFound, RequestTimeout, UpstreamUnreachable
from diglot.server.guards.client_gone import ClientGone
from diglot.server.proxy import headers
from diglot.server.proxy.downstream import Downstream
from diglot.server.proxy.own_paths import OwnPaths, may_forward
from diglot.server.proxy.upstream import ProxyOptions, UpstreamProxy
from diglot.setting_sources import load_settings

OWNED = OwnPaths(
    [None if part.startswith("{") else part for part in (surface.prefix + operation.path).split("/") if part]
    for dialect in DIALECTS
    for surface, operation in dialect.operations
)
ID = "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60"
ELSEWHERE = (
    *("/mail/v1/emails", "/mail/v1/emails/", "/mail/v1//emails", "/mail/v1", "/mail/v1/"),
    *("/mail/v1/segmentsx", "/mail/v1/segment", "/mail/v1/x/segments", "/mail/v1/templates/segments"),
    *("/mail/v1/senders/a%40b.example", "/mail/v1/senders/a@b.example", "/mail/v1/x@evil.example"),
    *("/mail/v1//evil.example/x", "/mail/v1/http://evil.example/x", "/mail/v1/files/report.csv"),
    *(
        "/mail/v1/templates/50%25%20off",
        "/mail/v1/templates/caf%C3%A9",
        "/mail/v1/templates/%F0%9F%91%A9%E2%80%8D%F0%9F%94%A7",
    ),
    *(
        "/mail/v1/a;b=c/d",
        "/mail/v1/a,b/c:d/e!$&'()*+=",
        "/mail/v1/a%2Fb",
        "/mail/v1/.well-known",
        "/mail/v1/a..b",
    ),
    *("/api/v1/email/send", "/api/v1/campaigns/1", "/api/v1/emails?x".replace("?", "%3F")),
)
# Some servers read each of these as a path that Diglot serves, or as one that no client intends.
REFUSED = (
    *(
        "/mail/v1/segments",
        "/mail/v1/segments/",
        "/mail/v1//segments",
        "/mail//v1/segments",
        "//mail/v1/segments",
    ),
    *(
        "/mail/v1/segments//",
        f"/mail/v1/segments//{ID}",
        f"/mail/v1/segments/{ID}/",
        f"/mail/v1/segments/{ID}",
    ),
    *(
        "/mail/v1/Segments",
        "/mail/v1/SEGMENTS",
        "/MAIL/V1/segments",
        "/mail/v1/%53egments",
        "/mail/v1/%73egments",
    ),
    *("/mail/v1/segments%2F", "/mail/v1%2Fsegments", "/mail%2Fv1%2Fsegments", f"/mail/v1/segments%2f{ID}"),
    *("/mail/v1/x/../segments", "/mail/v1/./segments", "/mail/v1/segments/.", "/mail/v1/segments/x/.."),
    *("/mail/v1/..", "/mail/v1/.", "/mail/v1/../v1/segments", "/mail/v1/x/../../x", "/mail/v1/emails/../x"),
    *(
        "/mail/v1/x/%2e%2e/segments",
        "/mail/v1/x/.%2E/segments",
        "/mail/v1/%2e/segments",
        "/mail/v1/x%2F..%2Fsegments",
    ),
    *("/mail/v1/x/%252e%252e/segments", "/mail/v1/x%252F..%252Fsegments", "/mail/v1/%2573egments"),
    *("/mail/v1/%252573egments", "/mail/v1/%25252573egments", "/mail/v1/%2525252525252573egments"),
    *("/mail/v1/x/..;/segments", "/mail/v1/segments;", "/mail/v1/segments;a=b", "/mail/v1;x/segments"),
    *(
        "/mail/v1/;/segments",
        "/mail/v1/x/..;a=b/segments",
        "/mail/v1/segments%3Ba=b",
        "/mail/v1/x/%2e%2e;/segments",
    ),
    *("/mail/v1\\segments", "/mail/v1%5Csegments", "/mail/v1/x%5C..%5Csegments", "/mail/v1/x\\..\\segments"),
    *(
        "/mail/v1/segments%00",
        "/mail/v1/segments%00x",
        "/mail/v1/%00segments",
        "/mail/v1/emails%00",
        "/mail/v1/e%0Amails",
    ),
    *("/mail/v1/segments%09", "/mail/v1/seg%0Aments", "/mail/v1/seg%0Dments", "/mail/v1/segments%7F"),
    *(
        "/mail/v1/segments%20",
        "/mail/v1/%20segments",
        "/mail/v1/segments.",
        "/mail/v1/segments%2E",
        "/mail/v1/...",
    ),
    *(
        "/mail/v1/segments.json",
        "/mail/v1/segments.xml",
        "/mail/v1/Segments%2Ejson",
        "/mail/v1/segments%20.json",
    ),
    *("/mail/v1/segments%3F", "/mail/v1/segments%3Fa=b", "/mail/v1/segments%23", "/mail/v1/segments%253Fx"),
    *(
        "/mail/v1/segments%23/x",
        "/mail/v1/segments?x",
        "/mail/v1/segments#x",
        "/mail/v1/emails#x",
        "/mail/v1/e mails",
    ),
    # A full-width letter, a long s, two dots in one, a full-width slash, full-width dots, invisible letters.
    *(
        "/mail/v1/%EF%BD%93egments",
        "/mail/v1/%C5%BFegments",
        "/mail/v1/x/%E2%80%A5/segments",
        "/mail/v1%EF%BC%8Fsegments",
    ),
    *("/mail/v1/x/%EF%BC%8E%EF%BC%8E/segments", "/mail/v1/seg%E2%80%8Bments", "/mail/v1/seg%C2%ADments"),
    # Not UTF-8 (an overlong slash and dot, a surrogate), and invalid escapes.
    *(
        "/mail/v1%C0%AFsegments",
        "/mail/v1/%C0%AE%C0%AE/segments",
        "/mail/v1/emails/%ED%A0%80",
        "/mail/v1/emails/%FF",
    ),
    *(
        "/mail/v1/%u0073egments",
        "/mail/v1/emails/%",
        "/mail/v1/emails/%4",
        "/mail/v1/emails/%zz",
        "/mail/v1/caf\u00e9",
    ),
    *(
        "",
        "*",
        "mail/v1/emails",
        "http://diglot/mail/v1/emails",
        "/mail/v1/emails\u0000",
        "/mail/v1/a{b}",
        "/mail/v1/a|b",
    ),
    *(
        "/api/v1/segments/estimate/",
        "/api/v1/Contacts",
        f"/api/v1/contacts/{ID}",
        f"/api/v1/segments/{ID};x/contacts",
    ),
)
EVERY_SURFACE = pytest.mark.parametrize(
    ("dialect", "surface"),
    [(dialect.name, surface) for dialect in DIALECTS for surface in dialect.surfaces],
    ids=lambda part: part if isinstance(part, str) else part.prefix,
)


def scope(method: str = "GET", path: str = "/mail/v1/emails", **more: Any) -> dict[str, Any]:
    """Return a scope as a server creates it."""
    given = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": b"",
        "headers": [],
        "diglot.request_id": "id-1",
        EXTRA_HEADERS: [(b"x-request-id", b"id-1")],
    }
    return given | more


@pytest.mark.parametrize("path", ELSEWHERE)
def test_paths_that_no_server_reads_as_owned_are_forwarded(path: str) -> None:
    """Diglot forwards paths that it does not own, however a client escapes their segments."""
    assert may_forward(path.encode("latin-1"), OWNED)


@pytest.mark.parametrize("path", REFUSED)
def test_paths_that_a_server_may_read_as_owned_stay(path: str) -> None:
    """Every spelling of an owned path stays here, and so do paths that climb out or are incomplete."""
    assert not may_forward(path.encode("latin-1"), OWNED)


def test_no_call_is_forwarded_with_any_method() -> None:
    """No call's path is forwarded, with any letter escaped once or twice, or in the other case."""
    paths = {
        surface.prefix + operation.path for dialect in DIALECTS for surface, operation in dialect.operations
    }
    for path in (path.replace("{", "").replace("}", "").replace(":str", "") for path in paths):
        for at, letter in enumerate(path):
            code = f"%{ord(letter):02x}"
            for other in (letter, letter.upper(), code, code.replace("%", "%25")):
                assert not may_forward((path[:at] + other + path[at + 1 :]).encode(), OWNED), path


def test_only_dialects_with_an_upstream_are_forwarded() -> None:
    """Other dialects, other prefixes, disguised prefixes, tunnels and traces stay."""
    proxy = UpstreamProxy({"misar": "http://127.0.0.1:9", "topmail": ""}, OWNED, ProxyOptions(1))
    proxy._transport = httpx.AsyncHTTPTransport()
    assert proxy.handler_for(scope()) is not None
    assert proxy.handler_for(scope("OPTIONS")) is not None
    assert proxy.handler_for(scope("BREW")) is not None
    for stays in (
        *(scope("TRACE"), scope("CONNECT"), scope(path="/api/v1/email/send"), scope(path="/emails")),
        *(
            scope(path="/mailbox/emails"),
            scope(raw_path=b"/%6Dail/v1/emails"),
            scope(raw_path=b""),
            scope(raw_path=None),
        ),
        *(scope("BREW", "/mail/v1/segments"), scope(path="//evil.example/mail/v1/emails")),
    ):
        assert proxy.handler_for(stays) is None, stays
    assert UpstreamProxy({"misar": ""}, OWNED, ProxyOptions(1)).handler_for(scope()) is None


def test_request_headers() -> None:
    """The client's own headers pass unchanged; those of the connection, the network and a session do not."""
    given = [
        *((b"host", b"diglot:8000"), (b"authorization", b"Bearer msk_1"), (b"x-api-key", b"tm_live_1")),
        *((b"accept", b"a"), (b"accept", b"b"), (b"accept-encoding", b"br"), (b"user-agent", b"mine/1")),
        *(
            (b"connection", b"keep-alive, X-Hop"),
            (b"connection", b"x-other"),
            (b"x-hop", b"1"),
            (b"x-other", b"1"),
        ),
        *((b"keep-alive", b"5"), (b"te", b"trailers"), (b"trailer", b"x"), (b"upgrade", b"websocket")),
        *(
            (b"proxy-authorization", b"Basic x"),
            (b"proxy-connection", b"close"),
            (b"expect", b"100-continue"),
        ),
        *((b"transfer-encoding", b"chunked"), (b"content-length", b"5"), (b"content-type", b"text/plain")),
        *(
            (b"cookie", b"a=1; diglot_session=secret; =diglot_session=x; diglot_session"),
            (b"cookie", b"__Host-diglot_session=secret;b=2"),
        ),
        *((b"forwarded", b"for=10.0.0.1"), (b"x-forwarded-for", b"10.0.0.1"), (b"x-real-ip", b"10.0.0.1")),
        *((b"via", b"1.1 proxy"), (b"x-request-id", b"<odd>"), (b"idempotency-key", b"k")),
    ]
    assert headers.to_upstream(scope(headers=given), b"api.example", b"diglot-1") == [
        (b"host", b"api.example"),
        *(
            (b"authorization", b"Bearer msk_1"),
            (b"x-api-key", b"tm_live_1"),
            (b"accept", b"a"),
            (b"accept", b"b"),
        ),
        *((b"accept-encoding", b"br"), (b"user-agent", b"mine/1"), (b"content-type", b"text/plain")),
        *((b"via", b"1.1 proxy"), (b"idempotency-key", b"k"), (b"cookie", b"a=1; b=2")),
        *((b"x-request-id", b"id-1"), (b"via", b"1.1 diglot-1")),
    ]
    assert dict(headers.to_upstream(scope(http_version="1"), b"h", b"d"))[b"via"] == b"1.0 d"
    alone = scope(headers=[(b"cookie", b"diglot_session=secret")])
    assert b"cookie" not in dict(headers.to_upstream(alone, b"api.example", b"diglot-1"))
    assert headers.already_passed(scope(headers=[(b"via", b"1.1 a, 1.1 diglot-1")]), b"diglot-1")
    assert not headers.already_passed(scope(headers=given), b"diglot-1")


def test_the_framing_of_a_body_is_kept() -> None:
    """A length stays a length, chunks stay chunks, and chunks win over a length."""
    length, chunks = (b"content-length", b"5"), (b"transfer-encoding", b"chunked")
    assert headers.select_framing(scope("POST", headers=[length])) == [length]
    assert headers.select_framing(scope("POST", headers=[length, chunks])) == [chunks]
    assert headers.select_framing(scope("POST")) == []


def test_response_headers() -> None:
    """The response's own headers pass, in their order; an upstream cannot set a session of Diglot."""
    assert headers.to_client(
        [
            *((b"Content-Type", b"a/b"), (b"Content-Encoding", b"br"), (b"Content-Length", b"3")),
            *(
                (b"Connection", b"x-hop"),
                (b"X-Hop", b"1"),
                (b"Keep-Alive", b"5"),
                (b"X-Request-Id", b"theirs"),
            ),
            *((b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"diglot_session=x; Path=/"), (b"Set-Cookie", b"b=2")),
            *((b"Location", b"https://api.example/x"), (b"Retry-After", b"3")),
        ]
    ) == [
        *((b"content-type", b"a/b"), (b"content-encoding", b"br"), (b"content-length", b"3")),
        *((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"location", b"https://api.example/x")),
        (b"retry-after", b"3"),
    ]
    assert headers.to_client([(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"3")]) == []


@pytest.mark.parametrize(
    "cookie", ["=diglot_session=x", " = a=b", "diglot_session", "=", "__Host-diglot_session=x", "; a=b"]
)
def test_no_cookie_becomes_a_session_on_its_way(cookie: str) -> None:
    """Browsers send a nameless cookie as if its value were a name and a value."""
    assert headers.to_client([(b"Set-Cookie", f"{cookie}; Path=/".encode())]) == []
    assert headers.to_client([(b"Set-Cookie", b"a==diglot_session=x")]) != []


@EVERY_SURFACE
def test_errors_of_forwarding(dialect: str, surface: Surface) -> None:
    """502 and 504 use the surface's own envelope; a 404 says why nothing was forwarded."""
    answers = {
        error: surface.render_error(error)
        for error in (
            UpstreamUnreachable(timed_out=False),
            UpstreamUnreachable(timed_out=True),
            NotFound("route"),
            NotFound("spelling"),
        )
    }
    assert [answer.status for answer in answers.values()] == [502, 504, 404, 404]
    texts = [msgspec.json.encode(answer.body).decode() for answer in answers.values()]
    assert len(set(texts)) == 4, dialect
    assert "upstream" in texts[2]


UPSTREAMS = (
    *("https://api.example.com", "http://127.0.0.1:8001", "http://[::1]:8001/", "https://api", ""),
    *("https://api-2.example.com/base", "http://up_stream/a/b.c/", "http://h:65535"),
)
NO_UPSTREAMS = (
    *(
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///x",
        "//h",
        "https://h:0",
        "http://h:65536",
    ),
    *("http://h:", "http://h:x", "http://u@h", "http://u:p@h", "http://h?x", "http://h/?", "http://h#x"),
    *(
        "http://h/a b",
        "http://h/../x",
        "http://h/a/..",
        "http://h/.",
        "http://h//x",
        "http://h/%2e%2e",
        "http://h\\x",
    ),
    *(
        "http://h/x\n",
        " http://h",
        "http://[::1",
        "http://caf\u00e9.example",
        "http://.h",
        "http://h..x",
        "http://h;x",
    ),
)


@pytest.mark.parametrize("url", UPSTREAMS)
def test_an_upstream_is_an_origin_with_an_optional_path(url: str) -> None:
    """Every dialect has its own setting; an HTTP client reads the parsed URL in the same way."""
    for dialect in DIALECTS:
        settings = load_settings({"upstreams": {dialect.name: url}}, {})
        assert settings.upstreams == {dialect.name: url}
    assert str(httpx.URL(url)).rstrip("/") == url.rstrip("/")


@pytest.mark.parametrize("url", NO_UPSTREAMS)
def test_other_upstreams_are_rejected(url: str) -> None:
    """A URL that would be cut, guessed or leaked stops the start; a password is not printed."""
    for dialect in DIALECTS:
        with pytest.raises(Misconfigured, match=f"^{dialect.name} upstream") as caught:
            load_settings({"upstreams": {dialect.name: url}}, {})
        assert "u:p" not in str(caught.value)


async def test_an_unannounced_body_is_found() -> None:
    """A server may deliver such a body; checking for it loses nothing of it."""

    def coming(*pieces: bytes) -> Downstream:
        left = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        left.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> dict[str, Any]:
            return left.pop(0)

        async def send(_: dict[str, Any]) -> None:
            raise AssertionError

        return Downstream(receive, send, 1)

    for pieces in ((), (b"a", b"b"), (b"a",), (b"", b"a")):
        client = coming(*pieces)
        assert await client.has_body() == any(pieces)
        assert [piece async for piece in client] == [piece for piece in pieces if piece]


async def test_a_client_that_stalls_does_not_block_the_upstream() -> None:
    """A client that neither sends, reads nor closes is disconnected."""

    async def nothing(*_: Any) -> Any:
        await asyncio.Event().wait()

    client = Downstream(nothing, nothing, 0.01)
    with pytest.raises(RequestTimeout):
        await anext(client)
    with pytest.raises(ClientGone):
        await client.send_chunk(b"x")
