"""What all attempts share: allowed targets, trusted certificates, threads for name lookups."""

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
        # Lookups block, and a slow one must not delay the other work of the default thread pool.
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="diglot-names")

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """The trusted certificates, loaded at first use."""
        from diglot.webhooks.connection import create_ssl_context  # noqa: PLC0415 - see open_connection

        return create_ssl_context()

    def close(self) -> None:
        """Shut down the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def open_connection(self) -> "Connection":
        """Return a connection for consecutive attempts at one receiver."""
        from diglot.webhooks.connection import Connection  # noqa: PLC0415 - httpx costs a start 0.12 s

        return Connection(self._allowed_targets, self._resolve, self.ssl_context, self._timeout_seconds)

    async def _resolve_host(self, host: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._threads, _look_up_addresses, host, port)
        return [ipaddress.ip_address(address) for address in addresses]


def _look_up_addresses(host: str, port: int) -> list[str]:
    results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in results))
