"""Sends messages to one receiver: resolves its host name and connects to exactly the address it has checked.

The name is resolved on each attempt and the connection goes to the address that was checked, because a name
could resolve to an internal address a moment later (DNS rebinding). For the same reason redirects are not
followed and proxies from the environment are not used.

The module is imported at the first attempt, because it imports the HTTP client.
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
# A name may have many addresses; this many are tried within the time of one attempt.
_MAX_ADDRESSES: Final = 4
_NOT_ALLOWED_MESSAGE: Final = "target address is not allowed"


def create_ssl_context() -> ssl.SSLContext:
    """Return the trusted certificates; loading them takes some hundredths of a second."""
    return httpx.create_ssl_context(trust_env=False)


class Connection:
    """Attempts at one receiver, over one connection if the receiver keeps it open."""

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
        # httpx has no timeout here, because the whole attempt has one.
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
        """Send a message and return the result; it raises no network error."""
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
        addresses = await self._resolve(host, port)
        allowed = [address for address in addresses if self._allowed_targets.allows(host, address)]
        failure = Attempt(None, _NOT_ALLOWED_MESSAGE if addresses else "host name has no address")
        for address in allowed[:_MAX_ADDRESSES]:
            try:
                return await self._post_message(url, address, message)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = Attempt(None, _describe_error(error))
        return failure

    async def _post_message(self, url: httpx.URL, address: Address, message: WebhookMessage) -> Attempt:
        headers = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": f"Diglot/{__version__}",
            "Accept-Encoding": "identity",
            **message.headers,
        }
        # TLS still sends the host name (SNI) and verifies the certificate for it.
        tls_options = {"sni_hostname": url.raw_host.decode().rstrip(".")}
        pinned = url.copy_with(host=str(address))
        request = self._client.stream(
            "POST", pinned, content=message.body, headers=headers, extensions=tls_options
        )
        async with request as response:
            text = await _read_beginning(response)
            error = None if response.is_success else f"status {response.status_code}"
            # Responses of internal servers must not be shown to everyone who can create a webhook.
            stored = text if is_public(address) else None
            retry_after = response.headers.get("Retry-After")
            return Attempt(response.status_code, error, stored, retry_after=retry_after)


async def _read_beginning(response: httpx.Response) -> str:
    """Read a response up to the limit; the rest is not read, because the connection is closed."""
    content = b""
    async for chunk in response.aiter_raw():
        content += chunk[:MAX_READ_BYTES]
        if len(content) >= MAX_READ_BYTES:
            break
    return content[:MAX_STORED_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _describe_error(error: Exception) -> str:
    """Describe an error without details of the internal network, such as addresses."""
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
    """Return the certificate error that caused an error, or None."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause
