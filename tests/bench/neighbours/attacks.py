"""The attacks, each in a process of lower priority than the server: `python -m bench.neighbours.attacks`.

It prints a line when its requests are built, begins at a line on stdin, and ends with stdin; then it prints
how many requests it sent and how many answers it got, by status (0 for a connection that ended).
"""

import asyncio
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count, cycle
from random import Random
from typing import Any, Final

import msgspec

from bench.neighbours.wire import CUT, Connections, json_request, request

ADDRESS: Final = "127.0.0.2"
SEGMENTS: Final = 50
RULES: Final = 250
WRITERS: Final = 2
DRY_RUNS: Final = 20
# Different dry runs, because a server must not live on the statements of earlier ones.
DRY_RUN_BODIES: Final = 60
IMPORTERS: Final = 6
IMPORTED: Final = 10_000
DEAF: Final = 60
# Seconds for which a client that does not read keeps a connection that the server does not close.
_DEAF_SECONDS: Final = 30.0
_NICENESS: Final = 10
_MARK: Final = b"ROUND000"
Client = Callable[[], Coroutine[Any, Any, None]]


class Task(msgspec.Struct, frozen=True):
    """What an attacker needs to know: the attack, the server's port, and a key of its workspace."""

    attack: str
    port: int
    key: str


@dataclass
class Attacker:
    """An attack under way."""

    task: Task
    answers: Counter[str] = field(default_factory=Counter)

    def connections(self) -> Connections:
        """Return connections from the attackers' address."""
        return Connections(self.task.port, ADDRESS)

    async def call(self, connections: Connections, name: str, content: bytes) -> None:
        """Make a call, and count it and its answer."""
        status = 0
        self.answers[f"{name} sent"] += 1
        try:
            status, _ = await connections.call(content)
        except CUT:
            await asyncio.sleep(0.05)
        self.answers[f"{name} {status}"] += 1

    async def repeat(self, name: str, contents: Iterator[bytes]) -> None:
        """Make calls one after another, without pause."""
        connections = self.connections()
        for content in contents:
            await self.call(connections, name, content)


def any_of(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a condition that one of many rules fulfils."""
    return {"operator": "OR", "rules": rules}


def rules(attacker: Attacker) -> list[Client]:
    """Make segments on many distinct custom fields, and write contacts meanwhile and after."""
    key = attacker.task.key

    def segment(number: int) -> bytes:
        fields = [f"custom_fields.f{number}_{rule}" for rule in range(RULES)]
        condition = any_of([{"field": name, "operator": "equals", "value": "x"} for name in fields])
        body = {"name": f"s{number}", "segment_type": "dynamic", "filter_criteria": condition}
        return json_request("POST", "/mail/v1/segments", key, body)

    def contacts(writer: int) -> Iterator[bytes]:
        for number in count():
            body = {
                "email": f"w{writer}-{number}@example.com",
                "custom_fields": {f"f{number % SEGMENTS}_7": "x"},
            }
            yield json_request("POST", "/mail/v1/contacts", key, body)

    made = [segment(number) for number in range(SEGMENTS)]
    writes = [partial(attacker.repeat, "contact", contacts(writer)) for writer in range(WRITERS)]
    return [partial(attacker.repeat, "segment", iter(made)), *writes]


def dry_runs(attacker: Attacker) -> list[Client]:
    """Run many large conditions over many contacts at once, again and again."""
    rng = Random(1)

    def body() -> bytes:
        words = [rng.choice(("contains", "starts_with", "equals", "ends_with")) for _ in range(RULES)]
        names = ("company", "custom_fields.city", "custom_fields.note", "last_name")
        parts = [
            {"field": names[rule % len(names)], "operator": word, "value": f"zz{rng.random()}"}
            for rule, word in enumerate(words)
        ]
        criteria = {"filter_criteria": any_of(parts)}
        return json_request("POST", "/mail/v1/segments/dry-run", attacker.task.key, criteria)

    bodies = [body() for _ in range(DRY_RUN_BODIES)]
    return [
        partial(attacker.repeat, "dry run", cycle(bodies[first:] + bodies[:first]))
        for first in range(DRY_RUNS)
    ]


def imports(attacker: Attacker) -> list[Client]:
    """Import many contacts with several clients, each time others."""

    def rounds(content: bytes) -> Iterator[bytes]:
        for number in count():
            yield content.replace(_MARK, b"ROUND%03d" % (number % 1000))

    made = [import_request(attacker.task.key, client, IMPORTED) for client in range(IMPORTERS)]
    return [partial(attacker.repeat, "import", rounds(content)) for content in made]


def import_request(key: str, client: int, contacts: int) -> bytes:
    """Return an import of new contacts."""
    rows = [
        {
            "email": f"{client}-{number}-{_MARK.decode()}@example.com",
            "first_name": "Ada",
            "company": f"Analytical {number % 97}",
            "tags": ["imported"],
            "custom_fields": {"city": f"City {number % 89}", "plan": "pro", "note": "met at the fair"},
        }
        for number in range(contacts)
    ]
    return json_request("POST", "/mail/v1/contacts/import", key, {"contacts": rows})


def deaf(attacker: Attacker) -> list[Client]:
    """Request large answers with many clients, and read nothing of them."""
    content = request("GET", "/mail/v1/contacts?limit=100", attacker.task.key)

    async def one() -> None:
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.bind((ADDRESS, 0))
                connection.setblocking(False)
                try:
                    await loop.sock_connect(connection, ("127.0.0.1", attacker.task.port))
                    await loop.sock_sendall(connection, content)
                    attacker.answers["unread"] += 1
                    await _until_cut(connection)
                except CUT:
                    attacker.answers["cut"] += 1
                    await asyncio.sleep(0.05)

    return [one] * DEAF


async def _until_cut(connection: socket.socket) -> None:
    """Wait until the server resets the connection, or until patience ends; raise OSError if it did."""
    for _ in range(int(_DEAF_SECONDS / 0.25)):
        await asyncio.sleep(0.25)
        if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))


ATTACKS: Final = {"rules": rules, "dry runs": dry_runs, "imports": imports, "deaf": deaf}


async def main(task: Task) -> Counter[str]:
    """Build the requests, wait for the line, and attack until stdin ends."""
    attacker = Attacker(task)
    clients = ATTACKS[task.attack](attacker)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    attacks = [asyncio.create_task(client()) for client in clients]
    await asyncio.to_thread(sys.stdin.read)
    for attack in attacks:
        attack.cancel()
    ends = await asyncio.gather(*attacks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return attacker.answers


if __name__ == "__main__":
    os.nice(_NICENESS)
    print(json.dumps(asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Task)))), flush=True)
