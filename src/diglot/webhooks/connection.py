"""A connection to one receiver: it sends to an address that was looked up and is allowed, and to no other.

The deliveries load this module with their first attempt, because it loads the HTTP client.
"""

import asyncio
import ssl
from types import TracebackType
from typing import Final, Self

import httpx

from diglot import __version__
from diglot.model.webhooks import Attempt, WebhookMessage
from diglot.webhooks.allowed_targets import Address, AllowedTargets, ResolveHost, is_public

MAX_READ_BYTES: Final = 4_096
MAX_STORED_BYTES: Final = 1_000
# A name may have many addresses; a few of them are tried, all within the time of one attempt.
_MAX_ADDRESSES: Final = 4
_NOT_ALLOWED_MESSAGE: Final = "target address is not allowed"


def create_ssl_context() -> ssl.SSLContext:
    """Return the certificates to trust, which takes some hundredths of a second."""
    return httpx.create_ssl_context(trust_env=False)


class Connection:
    """Attempts at one receiver: a connection is kept between them where the receiver keeps it."""

    def __init__(
        self,
        allowed_targets: AllowedTargets,
        resolve: ResolveHost,
        ssl_context: ssl.SSLContext,
        timeout_seconds: float,
    ) -> None:
        self._allowed_targets = allowed_targets
        self._resolve = resolve
        self._timeout_seconds = timeout_seconds
        # No time of its own: what counts is that of the whole attempt.
        self._client = httpx.AsyncClient(
            verify=ssl_context,
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, url: str, message: WebhookMessage) -> Attempt:
        """Send a message, and return how it went; nothing is raised."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._try_addresses(httpx.URL(url), message)
        except TimeoutError:
            return Attempt(None, f"timed out after {self._timeout_seconds:g} seconds")
        except OSError:
            return Attempt(None, "host name cannot be resolved")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Attempt(None, _describe_error(error))

    async def _try_addresses(self, url: httpx.URL, message: WebhookMessage) -> Attempt:
        host = url.raw_host.decode()
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        found = await self._resolve(host, port)
        allowed = [one for one in found if self._allowed_targets.allows(host, one)]
        failed = Attempt(None, _NOT_ALLOWED_MESSAGE if found else "host name has no address")
        for address in allowed[:_MAX_ADDRESSES]:
            try:
                return await self._post_message(url, address, message)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = Attempt(None, _describe_error(error))
        return failed

    async def _post_message(self, url: httpx.URL, address: Address, message: WebhookMessage) -> Attempt:
        headers = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": f"Diglot/{__version__}",
            "Accept-Encoding": "identity",
            **message.headers,
        }
        # TLS still asks for the name, and checks the certificate against it.
        named = {"sni_hostname": url.raw_host.decode().rstrip(".")}
        pinned = url.copy_with(host=str(address))
        sending = self._client.stream("POST", pinned, content=message.body, headers=headers, extensions=named)
        async with sending as response:
            text = await _read_beginning(response)
            error = None if response.is_success else f"status {response.status_code}"
            # What a server inside says is not for whoever may make a webhook.
            shown = text if is_public(address) else None
            later = response.headers.get("Retry-After")
            return Attempt(response.status_code, error, shown, retry_after=later)


async def _read_beginning(response: httpx.Response) -> str:
    """Read an answer, or as much of a long one as is kept; what is left closes the connection."""
    read = b""
    async for chunk in response.aiter_raw():
        read += chunk[:MAX_READ_BYTES]
        if len(read) >= MAX_READ_BYTES:
            break
    return read[:MAX_STORED_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _describe_error(error: Exception) -> str:
    """Say what went wrong without what only this machine should know, such as an address inside."""
    match error:
        case httpx.ConnectError():
            cause = _find_certificate_error(error)
            if cause is not None:
                return f"certificate rejected: {cause.verify_message}"
            return "connection refused or unreachable"
        case httpx.InvalidURL() | ValueError():
            return "invalid URL"
        case _:
            return f"connection failed ({type(error).__name__})"


def _find_certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Return what was wrong with a certificate, if that is what an error comes from."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLCertVerificationError):
        found = found.__cause__ or found.__context__
    return found
