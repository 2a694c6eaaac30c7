"""What all attempts share: where they may go, the certificates they trust, threads for lookups.

The name is looked up on each attempt and the connection goes to the address that was looked at, so that a
name which leads elsewhere a moment later leads nowhere. Redirects are not followed, and no proxy of the
environment is used: either would choose another target than the one that was looked at.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Final

from diglot.webhooks.allowed_targets import Address, AllowedTargets, ResolveHost

if TYPE_CHECKING:
    from diglot.webhooks.connection import Connection

TIMEOUT_SECONDS: Final = 10.0


class Sender:
    """Opens connections to receivers."""

    def __init__(
        self,
        targets: AllowedTargets,
        *,
        resolve: ResolveHost | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._allowed_targets = targets
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve or self._resolve_host
        # Lookups block, and a slow one must not wait among what requests do aside.
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="diglot-names")

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """The certificates to trust, read when they are first needed."""
        from diglot.webhooks.connection import create_ssl_context  # noqa: PLC0415 - see open_connection

        return create_ssl_context()

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def open_connection(self) -> "Connection":
        """Return a connection for attempts at one receiver, one after another."""
        from diglot.webhooks.connection import Connection  # noqa: PLC0415 - httpx costs a start 0.12 s

        return Connection(self._allowed_targets, self._resolve, self.ssl_context, self._timeout_seconds)

    async def _resolve_host(self, host: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up_addresses, host, port)
        return [ipaddress.ip_address(written) for written in found]


def _look_up_addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]).partition("%")[0] for *_, where in found))
