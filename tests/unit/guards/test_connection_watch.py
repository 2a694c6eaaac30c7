"""The watch over connections: limits by network, shares, and clients that do not read."""

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from diglot.server.guards import sockets
from diglot.server.guards.connections import BYTES_A_SECOND, ConnectionWatch, SendDeadlines, fair_limit
from diglot.server.guards.networks import client_network, reduce_to_network
from diglot.server.guards.sockets import Connection, SendState


class Listener:
    """A server that accepts connections and does nothing."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.port: int = listening.getsockname()[1]
        self.accepted: list[socket.socket] = []

    def connect(self, ip: str, count: int = 1) -> list[socket.socket]:
        """Connect from an address, and accept."""
        clients = []
        for _ in range(count):
            clients.append(socket.create_connection(("127.0.0.1", self.port), source_address=(ip, 0)))
            self.accepted.append(self.listening.accept()[0])
        return clients


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Listen on a port of this process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = Listener(listening)
        yield found
        for each in found.accepted:
            each.close()


def is_open(client: socket.socket) -> bool:
    """Tell whether the server's side has neither closed nor reset a connection."""
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def watch(listener: Listener, limit: int, room: int = 4_096, send_seconds: float = 30) -> ConnectionWatch:
    """Return a watch over a listener."""
    return ConnectionWatch(listener.port, limit=limit, room=room, send_seconds=send_seconds)


def test_connections_are_listed(listener: Listener) -> None:
    """Only those of clients of the port are: neither the clients' own ends nor other files."""
    clients = listener.connect("127.0.0.2", 3) + listener.connect("127.0.0.1")
    listed = {(each.ip, each.port) for each in sockets.list_connections(listener.port)}
    assert listed == {client.getsockname() for client in clients}
    assert sockets.count_open_files() >= 9
    for client in clients:
        client.close()


def test_a_reset_spares_whoever_has_the_number_now(listener: Listener) -> None:
    """A number that means another connection, or another file, since it was listed is left alone."""
    (client,) = listener.connect("127.0.0.2")
    (connection,) = sockets.list_connections(listener.port)
    assert not sockets.abort(Connection(connection.number, connection.ip, connection.port + 1))
    with Path(__file__).open("rb") as file:
        assert not sockets.abort(Connection(file.fileno(), connection.ip, connection.port))
    assert is_open(client)
    assert sockets.abort(connection)
    assert not is_open(client)
    client.close()


def test_a_network_has_a_limit(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    """The newest connections of an address beyond its limit are reset, others stay; one line says so."""
    first = listener.connect("127.0.0.2", 4)
    others = listener.connect("127.0.0.1", 2)
    looking = watch(listener, 4)
    looking.look(0.0)
    assert all(map(is_open, first + others))
    later = listener.connect("127.0.0.2", 3)
    with caplog.at_level(logging.WARNING, "diglot"):
        looking.look(0.1)
        looking.look(0.2)
    assert [is_open(client) for client in first + others + later] == [True] * 6 + [False] * 3
    assert caplog.messages == ["closed 3 connections of 127.0.0.2, which has too many"]
    for client in first + others + later:
        client.close()


def test_no_limit_behind_a_proxy(listener: Listener) -> None:
    """With a limit of 0 nothing is closed."""
    clients = listener.connect("127.0.0.2", 5)
    watch(listener, 0).look(0.0)
    assert all(map(is_open, clients))
    for client in clients:
        client.close()


def test_a_client_that_does_not_read_is_reset(listener: Listener) -> None:
    """Its bytes wait for longer than the deadline; a client without waiting bytes stays."""
    stuck, idle = listener.connect("127.0.0.2"), listener.connect("127.0.0.2")
    server = listener.accepted[0]
    server.setblocking(False)
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += server.send(bytes(65_536))
    looking = watch(listener, 0, send_seconds=2)
    for now in (0.0, 1.5, 3.0, 120.0):
        looking.look(now)
    server.close()  # as the server does when it sees that the connection has ended
    stuck[0].settimeout(1)
    got = 0
    with suppress(ConnectionResetError):
        while part := stuck[0].recv(65_536):
            got += len(part)
    assert got < sent
    assert is_open(idle[0])
    for client in stuck + idle:
        client.close()


def test_the_deadline_for_sending() -> None:
    """It begins when bytes wait, grows with those that are taken, and begins anew once all are taken."""
    one = Connection(1, "192.0.2.1", 1)
    late = SendDeadlines(10)

    def is_late(now: float, waiting: int, taken: int) -> bool:
        return late.find_late([(one, SendState(waiting, taken))], now) == [one]

    assert not is_late(0, 500_000, 0)
    assert not is_late(10, 500_000, 0)
    assert not is_late(12, 500_000 - 2 * BYTES_A_SECOND, 2 * BYTES_A_SECOND)
    assert is_late(12.1, 500_000 - 2 * BYTES_A_SECOND, 2 * BYTES_A_SECOND)
    assert not is_late(40, 100, 500_000), "other bytes wait than before"
    assert not is_late(50, 100, 500_000)
    assert is_late(50.1, 100, 500_000)
    assert not is_late(51, 0, 500_100)
    assert not is_late(90, 100, 500_100)
    assert late.find_late([(one, None)], 200) == []


@pytest.mark.parametrize(
    ("counts", "limit", "room", "fair"),
    [
        ([], 10, 100, 10),
        ([5, 5], 10, 100, 10),
        ([50, 50], 60, 80, 40),
        ([1, 1, 90], 60, 50, 48),
        ([10, 10, 90, 90], 60, 100, 40),
        ([1] * 50, 60, 20, 1),
    ],
)
def test_networks_share_a_full_server(counts: list[int], limit: int, room: int, fair: int) -> None:
    """Those with many connections give way to those with few."""
    assert fair_limit(counts, limit, room) == fair


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("unknown", ""),
    ],
)
def test_networks(address: str, network: str) -> None:
    """A customer of an IPv6 provider has a whole network of addresses."""
    assert reduce_to_network(address) == network
    scope = {"client": ("192.0.2.9", 1), "headers": [(b"x-forwarded-for", f"8.8.8.8, {address}".encode())]}
    assert client_network(scope, 1) == network
    assert client_network(scope, 0) == "192.0.2.9"
