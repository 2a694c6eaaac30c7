"""Watches the connections of clients: how many each network has, and whether it reads its answers.

granian has neither limit. The watch runs in the event loop, because a thread would wait for the interpreter
at each system call. With few connections a look costs one system call.
"""

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, NoReturn

from diglot.server.guards import sockets
from diglot.server.guards.networks import reduce_to_network
from diglot.server.guards.sockets import Connection, SendState

log: Final = logging.getLogger("diglot")
# In this time a client can open about as many connections as the system queues for a worker.
LOOK_SECONDS: Final = 0.1
# The looks take at most this part of the event loop's time, however many connections there are.
_SHARE_OF_TIME: Final = 0.05
# Sending is looked at less often, because each connection costs two system calls more.
_SENDING_SECONDS: Final = 1.0
# The time for sending grows by one second for this many bytes that the client takes.
BYTES_A_SECOND: Final = 32_768
# Above this part of all connections, networks with many of them have to give way.
_FULL: Final = 0.75
_LOG_SECONDS: Final = 60.0


class ConnectionWatch:
    """Closes what a client may not keep open at a port.

    `limit` is the number of connections of a network, 0 for no limit; `room` is how many the process accepts.
    A client has `send_seconds` to take what it is sent, and more for many bytes.
    """

    def __init__(self, port: int, *, limit: int, room: int, send_seconds: float) -> None:
        self._port = port
        self._limit = limit
        self._room = room
        # In the order in which they were seen first.
        self._seen: dict[Connection, None] = {}
        self._sending = SendDeadlines(send_seconds)
        self._next_sending = 0.0
        self._next_log: dict[str, float] = {}

    async def run(self) -> NoReturn:
        """Look at the connections until cancelled."""
        pause = LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            self.look(began)
            pause = max(LOOK_SECONDS, (time.monotonic() - began) / _SHARE_OF_TIME)

    def look(self, now: float) -> None:
        """Close the connections that break a limit."""
        is_time_for_sending = now >= self._next_sending
        many = bool(self._limit) and sockets.count_open_files() > min(self._limit, self._room * _FULL)
        if not many and not is_time_for_sending:
            return
        connections = list(sockets.list_connections(self._port))
        if is_time_for_sending:
            self._next_sending = now + _SENDING_SECONDS
            self._end_slow_ones(connections, now)
        if self._limit:
            self._end_excess(connections, now)

    def _end_slow_ones(self, connections: Iterable[Connection], now: float) -> None:
        states = ((connection, sockets.read_send_state(connection)) for connection in connections)
        late = self._sending.find_late(states, now)
        closed = Counter(reduce_to_network(one.ip) for one in late if sockets.abort(one))
        for network, count in closed.items():
            self._log(network, now, "closed %d connections of %s, which did not read their answers", count)

    def _end_excess(self, connections: Iterable[Connection], now: float) -> None:
        present = set(connections)
        self._seen = {one: None for one in self._seen if one in present} | dict.fromkeys(present)
        by_network: dict[str, list[Connection]] = defaultdict(list)
        for connection in self._seen:
            by_network[reduce_to_network(connection.ip)].append(connection)
        limit = fair_limit([len(each) for each in by_network.values()], self._limit, int(self._room * _FULL))
        for network, its in by_network.items():
            closed = sum(map(sockets.abort, its[limit:]))
            if closed:
                self._log(network, now, "closed %d connections of %s, which has too many", closed)

    def _log(self, network: str, now: float, message: str, count: int) -> None:
        if now >= self._next_log.get(network, 0.0):
            self._next_log = {name: until for name, until in self._next_log.items() if until > now}
            self._next_log[network] = now + _LOG_SECONDS
            log.warning(message, count, network or "a client without an address")


class SendDeadlines:
    """Finds connections whose client does not take what was sent within its time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Since when bytes wait, how many were acknowledged by then, and how many will be without them.
        self._waiting: dict[Connection, tuple[float, int, int]] = {}

    def find_late(
        self, states: Iterable[tuple[Connection, SendState | None]], now: float
    ) -> list[Connection]:
        """Return the connections that are late; those that are not given are forgotten."""
        waiting = {}
        late = []
        for connection, state in states:
            if state is None or not state.waiting:
                continue
            taken = state.acknowledged
            since, before, until = self._waiting.get(connection, (now, taken, taken + state.waiting))
            if taken >= until:  # what waited then has arrived, and other bytes wait
                since, before, until = now, taken, taken + state.waiting
            if now - since > self._seconds + max(0, taken - before) / BYTES_A_SECOND:
                late.append(connection)
            waiting[connection] = since, before, until
        self._waiting = waiting
        return late


def fair_limit(counts: Iterable[int], limit: int, room: int) -> int:
    """Return the greatest limit up to `limit` at which all networks together have at most `room`."""
    left, others = room, sorted(counts)
    while others:
        share = left // len(others)
        if others[0] > share:
            return min(limit, max(1, share))
        left -= others.pop(0)
    return limit
