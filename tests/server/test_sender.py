"""One delivery attempt: only to an allowed address, within its timeout, reading little."""

import asyncio
import ipaddress
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from diglot.model.webhooks import Attempt, WebhookMessage
from diglot.webhooks import connection as sending
from diglot.webhooks.allowed_targets import Address, parse_allowed_targets
from diglot.webhooks.sender import Sender
from support.servers.webhook_receiver import ReceivedRequest, Receiver, answer, receiving

MESSAGE = WebhookMessage({"X-Event": "told"}, b'{"a":"\xc3\xab"}')
LOCAL = "127.0.0.0/8"
HERE = "127.0.0.1"
# A certificate for the name hooks.example, with a key that protects nothing.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1ob29rcy5l
eGFtcGxlMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAYMRYwFAYD
VQQDDA1ob29rcy5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGeR9
NQCDMpfPW/xxE4XBH0kwZPJwQe6UoK9V0NBRXKFUkMEkJmTXgTyPixyxk7yxjKTR
QazbMWNZ6NEKxW9NSKNMMEowGAYDVR0RBBEwD4INaG9va3MuZXhhbXBsZTAPBgNV
HRMBAf8EBTADAQH/MB0GA1UdDgQWBBS0tzHDa1q5ULB834pSVfe7gQ+fSzAKBggq
hkjOPQQDAgNIADBFAiEAzDVN2jFz7iRC7iYeZkOU765wzQ/0AMlKmNEYMkDKPVsC
IDva3jB/gxNsdby0+wYtXuCZpDSl24AyYlTkGeZLI4VM
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVolvC/OOU/craGOH
jGg0pTul4uCRcgK7HSDnWxGeDUahRANCAAQZ5H01AIMyl89b/HEThcEfSTBk8nBB
7pSgr1XQ0FFcoVSQwSQmZNeBPI+LHLGTvLGMpNFBrNsxY1no0QrFb01I
-----END PRIVATE KEY-----
"""


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Lend a receiver."""
    async with receiving() as receiver:
        yield receiver


class Names:
    """A resolver that returns a list of answers in order, and then keeps returning the last one."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        result = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ipaddress.ip_address(item) for item in result]


async def attempt(url: str, targets: str = LOCAL, names: Names | None = None, seconds: float = 5) -> Attempt:
    """Send once."""
    sender = Sender(parse_allowed_targets(targets), resolve=names, timeout_seconds=seconds)
    try:
        async with sender.open_connection() as connection:
            return await connection.send(url, MESSAGE)
    finally:
        sender.close()


async def test_the_request_of_an_attempt(receiver: Receiver) -> None:
    """The body is unchanged, the path has its query, the Host is that of the URL."""
    names = Names([HERE])
    url = f"http://hooks.example:{receiver.port}/a/b?c=d#e"
    assert (await attempt(url, names=names)).was_accepted
    (got,) = receiver.requests
    assert (got.path, got.body) == ("/a/b?c=d", MESSAGE.body)
    assert got.headers["host"] == f"hooks.example:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-event"] == "told"
    assert names.asked == [("hooks.example", receiver.port)]


@pytest.mark.parametrize(
    "host", [HERE, "127.1", "2130706433", "0x7f000001", "localhost", "[::ffff:127.0.0.1]"]
)
async def test_inside_addresses_are_rejected_by_default(receiver: Receiver, host: str) -> None:
    """This holds for every spelling of an address, and for every name that has it."""
    result = await attempt(f"http://{host}:{receiver.port}/", "public")
    assert result == Attempt(None, "target address is not allowed")
    assert receiver.connections == 0


async def test_a_name_that_changes_its_address(receiver: Receiver) -> None:
    """The connection goes to the checked address; each attempt checks again."""
    names = Names([HERE], ["127.0.0.2"], ["10.0.0.1"])
    sender = Sender(parse_allowed_targets(HERE), resolve=names)
    async with sender.open_connection() as connection:
        url = f"http://hooks.example:{receiver.port}/"
        assert [(await connection.send(url, MESSAGE)).status for _ in range(3)] == [200, None, None]
    sender.close()
    assert len(names.asked) == 3
    assert len(receiver.requests) == 1


async def test_an_allowed_address_among_others(receiver: Receiver) -> None:
    """Addresses that are not allowed are skipped; after a failed connection the next one is tried."""
    url = f"http://hooks.example:{receiver.port}/"
    assert (await attempt(url, names=Names(["10.0.0.1", "::1", "127.0.0.9", HERE]))).status == 200
    result = await attempt(f"http://hooks.example:{receiver.port}/", names=Names([]))
    assert result == Attempt(None, "host name has no address")


async def test_an_unknown_name() -> None:
    """The resolver of this machine reports the error."""
    assert await attempt("http://no-such-name.invalid/") == Attempt(None, "host name cannot be resolved")
    assert (await attempt(f"http://{'a' * 70}.invalid/")).unreachable


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    """They lead to addresses that were not checked."""

    async def lead_on(got: ReceivedRequest) -> bytes:
        del got
        return answer(302, b"", f"location: http://{HERE}:{receiver.port}/other")

    receiver.reply = lead_on
    result = await attempt(receiver.url)
    assert (result.status, result.error, result.was_accepted) == (302, "status 302", False)
    assert len(receiver.requests) == 1


async def test_proxies_from_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would resolve the name again."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert (await attempt(receiver.url)).was_accepted


async def test_a_slow_receiver(receiver: Receiver) -> None:
    """An attempt has one timeout in total, so a byte now and then does not extend it."""

    async def think(got: ReceivedRequest) -> bytes:
        del got
        await asyncio.sleep(60)
        return b""

    receiver.reply = think
    started = time.monotonic()
    assert await attempt(receiver.url, seconds=0.3) == Attempt(None, "timed out after 0.3 seconds")
    async with receiving(handler=_drip) as dripping:
        assert (await attempt(dripping.url, seconds=0.3)).unreachable
    assert time.monotonic() - started < 5


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1_000):
        writer.write(b"x: y\r\n")
        await asyncio.sleep(0.05)


async def test_little_of_a_response_is_read(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the stored part is read, so a response without end still counts."""

    async def say_much(got: ReceivedRequest) -> bytes:
        del got
        return b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + b"\x00\xff" * 50_000

    receiver.reply = say_much
    assert (await attempt(receiver.url)).response is None, "the response of an internal server is not stored"
    monkeypatch.setattr(sending, "is_public", lambda _: True)
    result = await attempt(receiver.url)
    assert (result.status, result.response) == (200, "\ufffd" * 1_000)


async def test_invalid_http(receiver: Receiver) -> None:
    """It counts as a missing response, and the error says no more than that."""

    async def babble(got: ReceivedRequest) -> bytes:
        del got
        return b"+OK POP3 ready\r\n\r\n"

    receiver.reply = babble
    assert (await attempt(receiver.url)).error == "connection failed (RemoteProtocolError)"
    assert (await attempt("http://[nonsense]/")).error == "invalid URL"


async def test_a_certificate_must_match_the_name() -> None:
    """The connection goes to an address, but the certificate must have the name."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pair.pem"
        file.write_text(CERTIFICATE + KEY)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
    async with receiving(context) as receiver:
        sender = Sender(parse_allowed_targets(LOCAL), resolve=Names([HERE]))
        sender.ssl_context = ssl.create_default_context(cadata=CERTIFICATE)
        async with sender.open_connection() as connection:
            good = await connection.send(f"https://hooks.example:{receiver.port}/", MESSAGE)
        async with sender.open_connection() as connection:
            bad = await connection.send(f"https://other.example:{receiver.port}/", MESSAGE)
        sender.close()
        unknown = await attempt(f"https://hooks.example:{receiver.port}/", names=Names([HERE]))
        await asyncio.sleep(0.1)  # the receiver sees a failed handshake
    assert good.was_accepted
    assert bad.error is not None
    assert bad.error.startswith("certificate rejected: Hostname mismatch")
    assert unknown.error == "certificate rejected: self-signed certificate"
