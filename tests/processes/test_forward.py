"""A server with an upstream, seen from both ends: requests, responses, and failures."""

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from misarmail import MisarMailClient, MisarMailError  # type: ignore[import-untyped]

from bench import forwarding
from bench.load import MEGABYTE, free_port
from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from support.engines import DATABASES
from support.servers.in_process import bearer
from support.servers.process import ServerProcess, running
from support.servers.upstream import ReceivedRequest, Upstream, echo, fixed_reply, no_reply, upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
SECONDS = 10
NOBODY = "http://127.0.0.1:9"
MAX_GROWTH = 20 * MEGABYTE
ANSWERS: dict[str, dict[int, Any]] = {
    "misar": {
        404: {
            "success": False,
            "error": "Not found: Diglot does not serve this path, and no upstream is set for it",
        },
        502: {"success": False, "error": "The upstream did not answer"},
        504: {"success": False, "error": "The upstream did not answer in time"},
    },
    "topmail": {
        404: {
            "error": {
                "code": "not_found",
                "message": "Not found: Diglot does not serve this path, and no upstream is set for it",
            }
        },
        502: {"error": {"code": "bad_gateway", "message": "The upstream did not answer"}},
        504: {"error": {"code": "gateway_timeout", "message": "The upstream did not answer in time"}},
    },
}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Pair:
    """A server and its upstream."""

    live: ServerProcess
    up: Upstream
    client: httpx.AsyncClient

    @property
    def last(self) -> ReceivedRequest:
        """The last request that the upstream received."""
        return self.up.requests[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Pair]:
    """Serve with one upstream for all dialects and a timeout of one second."""
    async with upstream() as up, DATABASES[0].fresh() as url:
        flags = [part for dialect in DIALECTS for part in (f"--{dialect.name}-upstream", f"{up.base}/base/")]
        async with (
            running(url, *flags, "--upstream-timeout", "1") as live,
            httpx.AsyncClient(base_url=live.base, timeout=SECONDS) as client,
        ):
            yield Pair(live, up, client)


@pytest.fixture
def pair(served: Pair) -> Pair:
    """Return the pair, with an upstream that answers again."""
    served.up.reply = echo
    served.up.reads.set()
    served.up.requests.clear()
    return served


async def raw(live: ServerProcess, *pieces: bytes, pause: float = 0.0) -> tuple[bytes, bool]:
    """Send bytes over a separate connection; return the received bytes, and whether the server closed it."""
    where = urlsplit(live.base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    got = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(2):
            while part := await reader.read(65_536):
                got += part
    except TimeoutError:
        return got, False
    except ConnectionError:
        return got, True
    finally:
        writer.close()
    return got, True


@EVERY_DIALECT
async def test_a_call_is_forwarded_unchanged(pair: Pair, dialect: Dialect) -> None:
    """Method, path, query, key and body arrive as they were sent, below the upstream's own path."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
        body = b"" if method in ("GET", "OPTIONS") else b'{"to": "caf\xc3\xa9"}'
        path = f"{dialect.prefix}/email/send/a%2Fb;c=d//%7Ee/?q=a+b%20c&q&x=%zz"
        answer = await pair.client.request(
            method,
            httpx.URL(pair.live.base).copy_with(raw_path=path.encode()),
            content=body,
            headers=bearer("key"),
        )
        assert answer.status_code == 200
        assert (pair.last.method, pair.last.body, pair.last.whole) == (method, body, True)
        assert pair.last.target == f"/base{path}"
        assert pair.last.values("authorization") == ["Bearer key"]
        assert pair.last.values("host") == [urlsplit(pair.up.base).netloc]
        assert pair.last.values("content-length") == ([str(len(body))] if body else [])
        assert pair.last.values("x-request-id") == [answer.headers["x-request-id"]]
        assert answer.headers.get_list("x-request-id") == pair.last.values("x-request-id")


@EVERY_DIALECT
async def test_owned_paths_are_not_forwarded(pair: Pair, dialect: Dialect) -> None:
    """Diglot itself answers calls, wrong methods, missing resources and other spellings."""
    key = bearer(await pair.live.key(dialect.name))
    own = dialect.prefix
    for method, path, status in (
        *(
            ("GET", "/segments", 200),
            ("GET", "/segments/", 200),
            ("GET", "//segments", 200),
            ("HEAD", "/segments", 200),
        ),
        *(("BREW", "/segments", 405), ("DELETE", "/segments", 405), ("OPTIONS", "/segments", 204)),
        *(("GET", "/segments/nothing", 404), ("GET", "/%73egments", 200), ("GET", "/Segments", 404)),
        *(("GET", "/x/../segments", 404), ("GET", "/x/%2e%2e/segments", 404), ("GET", "/segments;a", 404)),
        *(("GET", "/segments%00", 404), ("GET", "/segments.json", 404), ("TRACE", "/email/send", 404)),
    ):
        url = httpx.URL(pair.live.base).copy_with(raw_path=b"/")
        request = pair.client.build_request(method, url, headers=key)
        request.extensions["target"] = (own + path).encode()
        answer = await pair.client.send(request)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        assert "x-request-id" in answer.headers
        if (method, path) == ("GET", "/segments;a"):
            assert "spelled" in answer.text
    assert pair.up.requests == []


async def test_no_request_target_selects_another_host(pair: Pair) -> None:
    """Absolute targets, two slashes and an @ go to the upstream or nowhere."""
    for target, came in (
        (b"http://evil.example/mail/v1/emails", "/base/mail/v1/emails"),
        (b"http://evil.example:1/mail/v1/emails?x", "/base/mail/v1/emails?x"),
        (b"/mail/v1/@evil.example/x", "/base/mail/v1/@evil.example/x"),
        (b"/mail/v1//evil.example/x", "/base/mail/v1//evil.example/x"),
        (b"//evil.example/mail/v1/emails", None),
        (b"/\\evil.example/mail/v1/emails", None),
        (b"http://evil.example/x/mail/v1/emails", None),
    ):
        pair.up.requests.clear()
        await raw(
            pair.live, b"GET " + target + b" HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert [taken.target for taken in pair.up.requests] == ([] if came is None else [came])
        assert all(taken.values("host") == [urlsplit(pair.up.base).netloc] for taken in pair.up.requests)


async def test_a_response_is_returned_unchanged(pair: Pair) -> None:
    """Status, headers and bytes are the upstream's: encodings, redirects, its request id and cookies."""
    packed = gzip.compress(b'{"ok": true}')
    pair.up.reply = fixed_reply(
        b"HTTP/1.1 302 Elsewhere\r\nContent-Encoding: gzip\r\nLocation: https://api.example/x\r\n"
        b"X-Request-Id: theirs\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: theirs\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nContent-Length: "
        + str(len(packed)).encode()
        + b"\r\n\r\n"
        + packed
    )
    async with pair.client.stream("GET", "/api/v1/email/logs") as answer:
        assert [part async for part in answer.aiter_raw()] == [packed]
    assert (answer.status_code, answer.headers["location"]) == (302, "https://api.example/x")
    assert answer.headers.get_list("x-request-id") == ["theirs"]
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers.get_list("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]
    assert answer.headers.get_list("server") == ["theirs"]
    assert "x-hop" not in answer.headers
    pair.client.cookies.clear()
    pair.up.reply = echo
    await pair.client.get("/api/v1/email/logs")
    assert pair.last.values("cookie") == [], "a cookie of one client is not sent with the request of another"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("head", ["204 No Content", "304 Not Modified", "200 OK\r\nContent-Length: 0"])
async def test_responses_without_a_body(pair: Pair, head: str, method: str) -> None:
    """They are as short as the upstream's, and the connection stays open."""
    pair.up.reply = fixed_reply(f"HTTP/1.1 {head}\r\nETag: x\r\n\r\n".encode())
    for _ in range(2):
        answer = await pair.client.request(method, "/mail/v1/emails")
        assert (answer.status_code, answer.content) == (int(head[:3]), b"")
        assert (answer.headers["etag"], answer.headers.get("transfer-encoding")) == ("x", None)


async def test_head_is_forwarded_as_head(pair: Pair) -> None:
    """The Content-Length is that of the omitted body."""
    whole, head = await pair.client.get("/mail/v1/emails"), await pair.client.head("/mail/v1/emails")
    assert pair.last.method == "HEAD"
    assert (head.content, head.headers["content-length"]) == (b"", whole.headers["content-length"])


async def test_chunks_are_forwarded_as_they_arrive(pair: Pair) -> None:
    """A body without length arrives in chunks; a piece of a response arrives before the next is sent."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d" % number

    answer = await pair.client.post("/mail/v1/emails", content=pieces())
    assert (answer.json()["size"], pair.last.values("transfer-encoding")) == (3, ["chunked"])
    go = asyncio.Event()

    async def reply(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        del taken
        writer.write(CHUNKED)
        await go.wait()
        go.clear()
        writer.write(b"3\r\none\r\n")
        await go.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    pair.up.reply = reply
    async with asyncio.timeout(SECONDS), pair.client.stream("GET", "/mail/v1/reports") as answer:
        go.set()  # the head has arrived
        parts = answer.aiter_raw()
        assert await anext(parts) == b"one"
        go.set()
        assert [part async for part in parts] == [b"two"]


async def test_expect_100_continue_is_answered_here(pair: Pair) -> None:
    """Diglot answers `Expect: 100-continue`; the upstream sees an ordinary body."""
    head = (
        b"POST /mail/v1/emails HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 2\r\nConnection: close\r\n\r\n"
    )
    got, closed = await raw(pair.live, head, b"{}", pause=0.2)
    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert closed
    assert (pair.last.body, pair.last.values("expect")) == (b"{}", [])


async def test_no_upgrade_is_forwarded(pair: Pair) -> None:
    """A WebSocket is not forwarded: the upstream receives an ordinary request."""
    asks = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA==",
    }
    assert (await pair.client.get("/mail/v1/live", headers=asks)).status_code == 200
    assert (pair.last.values("upgrade"), pair.last.values("connection")) == ([], [])
    pair.up.reply = fixed_reply(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    )
    assert (await pair.client.get("/mail/v1/live", headers=asks)).status_code == 502


@EVERY_DIALECT
async def test_an_upstream_that_times_out(pair: Pair, dialect: Dialect) -> None:
    """The answer is 504 after the timeout, even if a long body is unread; the request is sent once."""
    pair.up.reply = no_reply
    answer = await pair.client.post(f"{dialect.prefix}/email/send", json={})
    assert (answer.status_code, answer.json()) == (504, ANSWERS[dialect.name][504])
    assert answer.headers["x-request-id"]
    pair.up.reads.clear()
    answer = await pair.client.post(f"{dialect.prefix}/email/send", content=bytes(32 * MEGABYTE))
    assert (answer.status_code, len(pair.up.requests)) == (504, 2)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 000 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_an_upstream_that_disconnects_before_its_response(pair: Pair, bytes_: bytes) -> None:
    """The answer is 502, and no request is sent twice."""
    pair.up.reply = fixed_reply(bytes_, closing=True)
    answer = await pair.client.post("/mail/v1/emails", json={})
    assert (answer.status_code, answer.json()) == (502, ANSWERS["misar"][502])
    assert len(pair.up.requests) == 1


@pytest.mark.parametrize(
    "head", [CHUNKED + b"5\r\nhello\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"]
)
async def test_an_upstream_that_dies_within_its_response(pair: Pair, head: bytes) -> None:
    """The client sees that its response is incomplete, in chunks too, and the server goes on."""
    pair.up.reply = fixed_reply(head, abort=True)
    got, closed = await raw(pair.live, b"GET /mail/v1/emails HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (closed, b"hello" in got, b"0\r\n\r\n" in got) == (True, True, False)
    with pytest.raises(httpx.RemoteProtocolError):
        await pair.client.get("/mail/v1/emails")
    pair.up.reply = echo
    assert (await pair.client.get("/mail/v1/emails")).status_code == 200


async def test_an_upstream_that_stalls_within_its_response(pair: Pair) -> None:
    """Half a response followed by a timeout counts as incomplete, too."""

    async def reply(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await taken.left.wait()

    pair.up.reply = reply
    with pytest.raises(httpx.RemoteProtocolError):
        await pair.client.get("/mail/v1/emails")


async def test_a_client_that_leaves_cancels_its_request(pair: Pair) -> None:
    """It may leave before its response, within its response or within its own body."""

    async def endless(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while not taken.left.is_set():
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)

    get = b"GET /mail/v1/emails HTTP/1.1\r\nHost: x\r\n\r\n"
    post = b"POST /mail/v1/emails HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    for reply, request in ((no_reply, get), (endless, get), (echo, post)):
        pair.up.reply = reply
        where = urlsplit(pair.live.base)
        _, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(request)
        await asyncio.sleep(0.3)
        writer.close()
        # Well before the upstream's timeout.
        await asyncio.wait_for(pair.last.left.wait(), 0.5)
    assert not pair.last.whole


async def test_a_client_that_stalls_does_not_block_the_upstream(pair: Pair) -> None:
    """A client that stops sending gets an error; one that does not read its response is disconnected."""
    post = b"POST /mail/v1/emails HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    got, _ = await raw(pair.live, post)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"The body did not come in time" in got
    await asyncio.wait_for(pair.last.left.wait(), 0.5)
    assert not pair.last.whole

    async def endless(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while not taken.left.is_set():
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()

    pair.up.reply = endless
    async with pair.client.stream("GET", "/mail/v1/exports") as answer:
        await asyncio.sleep(3)
        assert pair.last.left.is_set()
        with pytest.raises(httpx.RemoteProtocolError):
            await answer.aread()


async def test_a_malformed_body_is_rejected_in_the_dialect(pair: Pair) -> None:
    """Chunks that are no HTTP are a 400, on paths of Diglot and on those that it forwards."""
    head = (
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for path in (b"/mail/v1/emails", b"/api/v1/email/send"):
        pair.up.requests.clear()
        got, closed = await raw(pair.live, head % path + b'4\r\n{"a"\r\nzz\r\n\r\n')
        assert got.startswith(b"HTTP/1.1 400 ")
        assert b"The body ends before its end" in got
        assert closed
        assert not any(taken.whole for taken in pair.up.requests)


async def test_an_exchange_has_a_deadline() -> None:
    """An answer that trickles is cut off, however short the pauses are; one that has not begun is a 504."""

    async def trickle(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while not taken.left.is_set():
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)

    async with upstream() as up, DATABASES[0].fresh() as url:
        flags = ("--misar-upstream", up.base, "--exchange-timeout", "1")
        async with running(url, *flags) as live, httpx.AsyncClient(base_url=live.base) as client:
            up.reply = no_reply
            answer = await client.get("/mail/v1/emails", timeout=SECONDS)
            assert (answer.status_code, answer.json()) == (504, ANSWERS["misar"][504])
            up.reply = trickle
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/mail/v1/emails", timeout=SECONDS)
            await asyncio.wait_for(up.requests[-1].left.wait(), SECONDS)


async def test_an_upstream_that_answers_before_the_body_ends(pair: Pair) -> None:
    """An early error response reaches a client that is still sending, and its connection stays open."""

    async def refuse(taken: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        del taken
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}")

    pair.up.reply = refuse
    for _ in range(2):
        answer = await pair.client.post("/mail/v1/emails", content=bytes(9 * MEGABYTE))
        assert (answer.status_code, answer.content) == (413, b"{}")


async def test_many_at_once(pair: Pair) -> None:
    """Forty parallel callers get their own responses, over reused connections."""
    before = pair.up.connections
    async with httpx.AsyncClient(base_url=pair.live.base, timeout=SECONDS) as client:

        async def one(number: int) -> bool:
            body = str(number).encode() * 1000
            answer = await client.post(f"/mail/v1/emails/{number}", content=body)
            own: Any = answer.json()
            return bool(
                own["digest"] == hashlib.sha256(body).hexdigest() and own["target"].endswith(f"/{number}")
            )

        for _ in range(3):
            assert all(await asyncio.gather(*(one(number) for number in range(40))))
    assert pair.up.connections - before < 3 * 40


async def test_a_program_that_also_sends_mail_keeps_one_base_url(pair: Pair) -> None:
    """The vendor's own client creates contacts here and sends mail through the upstream, with one key."""
    key = await pair.live.key("misar")
    client = MisarMailClient(key, base_url=f"{pair.live.base}/mail/v1", max_retries=1)
    created = await client.contacts.acreate({"email": "both@example.com"})
    assert created["data"]["email"] == "both@example.com"
    assert pair.up.requests == []
    sent = await client.email.asend({"to": ["both@example.com"], "subject": "Hi", "html": "<p>Hi</p>"})
    assert sent["target"] == "/base/mail/v1/send"
    assert pair.last.values("authorization") == [f"Bearer {key}"]
    assert b"both@example.com" in pair.last.body
    pair.up.reply = fixed_reply(
        b'HTTP/1.1 402 Payment Required\r\nContent-Length: 18\r\n\r\n{"error": "money"}'
    )
    with pytest.raises(MisarMailError, match="money"):
        await client.email.asend({})


async def test_without_an_upstream_the_404_says_so(pair: Pair) -> None:
    """Forwarding is off by default, for each dialect separately; an unreachable upstream is a 502."""
    async with (
        DATABASES[0].fresh() as url,
        running(url, "--topmail-upstream", NOBODY) as live,
        httpx.AsyncClient(base_url=live.base) as client,
    ):
        answer = await client.get("/mail/v1/emails")
        assert (answer.status_code, answer.json()) == (404, ANSWERS["misar"][404])
        assert (await client.options("/mail/v1/emails")).status_code == 404
        answer = await client.post("/api/v1/email/send", json={})
        assert (answer.status_code, answer.json()) == (502, ANSWERS["topmail"][502])
    assert pair.up.requests == []


async def test_a_loop_of_servers_ends() -> None:
    """One Diglot may be the upstream of another; one that is its own upstream answers 502 immediately."""
    port = str(free_port())
    own = f"http://127.0.0.1:{port}"
    async with (
        DATABASES[0].fresh() as url,
        running(url, "--port", port, "--misar-upstream", own) as ring,
        running(url, "--misar-upstream", ring.base, "--topmail-upstream", ring.base) as first,
        httpx.AsyncClient(base_url=first.base) as client,
    ):
        answer = await client.get("/mail/v1/emails")
        assert (answer.status_code, answer.json()) == (502, ANSWERS["misar"][502])
        answer = await client.get("/api/v1/email/send")
        assert (answer.status_code, answer.json()) == (404, ANSWERS["topmail"][404])


async def test_a_hundred_megabytes_need_no_memory() -> None:
    """In both directions, with a length and in chunks, with a slow receiver: the memory grows little."""
    rows = await forwarding.measure()
    assert len(rows) == 4
    assert [row for row in rows if row.growth > MAX_GROWTH] == [], forwarding.report(rows)
