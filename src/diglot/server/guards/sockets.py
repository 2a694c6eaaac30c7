"""The connections of clients, as this process has them open.

granian accepts connections in Rust and tells nobody. They are files of this process, though, so that they can
be listed, measured and shut down; to list 4,096 of them takes 20 to 40 ms. Where `/proc` is missing, none is
found, and the limits that need them do not apply.
"""

import array
import fcntl
import os
import socket
import stat
import struct
import termios
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

# The class beneath `socket.socket`, which costs half as much.
_Socket: Final = socket.SocketType
_OPEN_FILES: Final = Path("/proc/self/fd")
# On close, a connection is reset and its unsent bytes are freed.
_RESET: Final = struct.pack("ii", 1, 0)
# `tcpi_bytes_acked` of `struct tcp_info`.
_ACKED_AT: Final = 120
_ACKED: Final = struct.Struct("=Q")
# Copies of files that turned out not to be sockets, see `_copy_of`.
_never_closed: Final[list[int]] = []


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of a client: its file number, and the client's address and port."""

    number: int
    ip: str
    port: int


class SendState(msgspec.Struct, frozen=True):
    """Bytes that wait to be acknowledged by the client, and bytes that it acknowledged so far."""

    waiting: int
    acknowledged: int


def count_open_files() -> int:
    """Return the number of open files, 0 if it is unknown."""
    try:
        # Linux 6.2 and later show it as the size of the folder.
        return _OPEN_FILES.stat().st_size or len(os.listdir(_OPEN_FILES))  # noqa: PTH208 - cheaper than paths
    except OSError:
        return 0


def list_connections(port: int) -> Iterator[Connection]:
    """Yield the connections of clients to a port of this process."""
    try:
        names = os.listdir(_OPEN_FILES)  # noqa: PTH208 - cheaper than paths
    except OSError:
        return
    for name in names:
        found = _look_at(int(name), port)
        if found is not None:
            yield found


def _look_at(number: int, port: int) -> Connection | None:
    try:
        view = _view_of(number)
    except OSError:
        return None
    try:
        here = view.getsockname()
        if not isinstance(here, tuple) or here[1] != port:
            return None
        peer = view.getpeername()
    except OSError:
        return None
    finally:
        view.detach()
    return Connection(number, peer[0], peer[1])


def read_send_state(connection: Connection) -> SendState | None:
    """Return how far a connection has sent; None if it is closed or the system does not tell."""
    waiting = array.array("i", (0,))
    try:
        view = _view_of(connection.number)
    except OSError:
        return None
    try:
        fcntl.ioctl(connection.number, termios.TIOCOUTQ, waiting)
        if not waiting[0]:
            return SendState(0, 0)
        details = view.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + _ACKED.size)
        return SendState(waiting[0], _ACKED.unpack_from(details, _ACKED_AT)[0])
    except (OSError, struct.error):
        return None
    finally:
        view.detach()


def _view_of(number: int) -> socket.SocketType:
    """Return an object for an open socket, which has to be detached; raise `OSError` for any other file."""
    return _Socket(socket.AF_INET, socket.SOCK_STREAM, 0, number)


def abort(connection: Connection) -> bool:
    """Reset a connection and free what it has not sent; return whether it was still open."""
    return _shut_down(connection, socket.SHUT_RDWR, reset=True)


def stop_reading(connection: Connection) -> bool:
    """Let a connection send what it has, but read no more of its client."""
    return _shut_down(connection, socket.SHUT_RD, reset=False)


def abort_client(port: int, ip: str, client_port: int) -> None:
    """Reset the connection of a client, if it is still open."""
    for connection in list_connections(port):
        if (connection.ip, connection.port) == (ip, client_port):
            abort(connection)


def _shut_down(connection: Connection, how: int, *, reset: bool) -> bool:
    copy = _copy_of(connection.number)
    if copy is None:
        return False
    with copy, suppress(OSError):
        if copy.getpeername()[:2] == (connection.ip, connection.port):
            if reset:
                copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            copy.shutdown(how)
            return True
    return False


def _copy_of(number: int) -> socket.socket | None:
    """Return a copy of an open socket, whose number cannot come to mean another file meanwhile.

    A thread of the server may close the socket and open a file of the database under the same number before
    the copy is made. To close such a copy would release the locks that this process has on the file (POSIX
    locks end with any copy), so it is never closed.
    """
    copy = None
    try:
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            copy = os.dup(number)
            return socket.socket(fileno=copy)
    except OSError:
        if copy is not None:
            _never_closed.append(copy)
    return None
