"""Addresses to listen on, and a health check of the server there."""

import errno
import socket
from collections.abc import Callable
from typing import Final

import msgspec

from diglot.errors import Misconfigured
from diglot.server.asgi import HEALTH_PATH

# The interval between health checks during start-up.
POLL_SECONDS: Final = 0.005
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what these addresses mean, not a bind
_ANSWER_SECONDS: Final = 5
_OK: Final = b"HTTP/1.1 200 "


class ListenAddress(msgspec.Struct, frozen=True):
    """An address to listen on: an IP, because granian takes no host names, and a free port."""

    ip: str
    port: int

    @property
    def local_ip(self) -> str:
        """The IP at which this machine reaches the server."""
        return _LOOPBACK_OF.get(self.ip, self.ip)

    @property
    def url(self) -> str:
        """The URL of the server for clients on this machine."""
        return (
            f"http://[{self.local_ip}]:{self.port}"
            if ":" in self.local_ip
            else f"http://{self.local_ip}:{self.port}"
        )


def find_free_address(host: str, port: int) -> ListenAddress:
    """Return the address of a host and port (0: any port); raise `Misconfigured` if it cannot be used.

    Workers share their port (SO_REUSEPORT), and a second server would silently share it too, so the port is
    probed first.
    """
    try:
        # As bytes, because for a text Python loads the tables of international names.
        sent = host.encode("ascii") if host.isascii() else host
        found = socket.getaddrinfo(sent, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"host {host!r} is not an address of this machine") from error
    family, kind, protocol, _, where = min(found, key=lambda one: one[0] != socket.AF_INET)
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
            probe.listen(1)
        except OSError as error:
            raise Misconfigured(_describe_bind_error(error, host, port)) from error
        return ListenAddress(str(where[0]), probe.getsockname()[1])


def bind(address: ListenAddress, listen: Callable[[], None]) -> None:
    """Have granian listen on an address; raise `Misconfigured` if another process took it since the probe."""
    try:
        listen()
    except (OSError, RuntimeError) as error:
        taken = OSError(errno.EADDRINUSE, "in use")
        raise Misconfigured(_describe_bind_error(taken, address.ip, address.port)) from error


def _describe_bind_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what uses it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user: choose one from 1024 with --port"
    return f"host {host!r} is not an address of this machine"


def is_healthy(address: ListenAddress) -> bool:
    """Tell whether the server at an address responds."""
    return answers_ok(address, HEALTH_PATH)


def answers_ok(address: ListenAddress, path: str) -> bool:
    """Tell whether the server at an address answers a GET with 200.

    It uses a plain socket, because importing `http.client` adds 0.02 s to the start.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((address.local_ip, address.port), _ANSWER_SECONDS) as connection:
            connection.sendall(request.encode())
            with connection.makefile("rb") as answer:
                # To the end of the answer: the request is in flight until then.
                return answer.read().startswith(_OK)
    except OSError:
        return False
