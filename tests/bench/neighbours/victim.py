"""The victim, a process that calls at a steady pace, whether or not its previous calls were answered.

    python -m bench.neighbours.victim '{"port": ..., "seconds": ..., ...}'

prints a line when it is warm, and the samples as JSON at the end: kind, seconds from the instant at which the
call was due, and status, 0 for none. So a server that stops for a second delays all calls of that second.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any, Final

import msgspec

from bench.neighbours.wire import CUT, Connections, json_request, request

KINDS: Final = ("read", "write", "health")
PACE: Final = 40
WARM_SECONDS: Final = 3.0
# Seconds after the last call in which late answers are awaited.
GRACE_SECONDS: Final = 60.0
_ORDER: Final = ("read", "health", "write", "read", "write", "read", "read", "health", "write", "read")
_NICENESS: Final = -5


class Task(msgspec.Struct, frozen=True):
    """What the victim calls: the server's port, its keys, contacts and segment, and for how long."""

    port: int
    misar: str
    topmail: str
    contacts: list[str]
    segment: str
    seconds: float
    run: str


class Sample(msgspec.Struct, frozen=True):
    """One call: its kind, the seconds from when it was due to its answer, and the status."""

    kind: str
    seconds: float
    status: int


@dataclass
class Victim:
    """A client with a pace."""

    task: Task
    connections: Connections
    samples: list[Sample] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def calls(self, kind: str) -> bytes:
        """Return the next request of a kind."""
        number, misar, topmail = next(self.numbers), self.task.misar, self.task.topmail
        contact = f"/mail/v1/contacts/{self.task.contacts[number % len(self.task.contacts)]}"
        if kind == "health":
            return request("GET", "/health")
        if kind == "write" and number % 2:
            return json_request("PATCH", contact, misar, {"first_name": f"{self.task.run} {number}"})
        if kind == "write":
            email = f"{self.task.run}-{number}@example.com"
            return json_request("POST", "/mail/v1/contacts", misar, {"email": email, "tags": ["new"]})
        reads = (
            request("GET", "/mail/v1/contacts?limit=20", misar),
            request("GET", contact, misar),
            request("GET", f"/mail/v1/segments/{self.task.segment}/members?limit=100", misar),
            request("GET", f"/api/v1/segments/{self.task.segment}/contacts?limit=20", topmail),
        )
        return reads[number % len(reads)]

    async def measure(self, kind: str, due: float) -> None:
        """Make a call that is due now, and note it."""
        status = 0
        try:
            status, _ = await self.connections.call(self.calls(kind))
        except CUT:
            pass
        finally:
            self.samples.append(Sample(kind, time.monotonic() - due, status))

    async def run(self, seconds: float) -> None:
        """Call at the pace for some seconds, then wait for late answers."""
        began, order = time.monotonic(), cycle(_ORDER)
        running = set()
        for number in range(int(seconds * PACE)):
            due = began + number / PACE
            await asyncio.sleep(due - time.monotonic())
            call = asyncio.create_task(self.measure(next(order), due))
            running.add(call)
            call.add_done_callback(running.discard)
        if running:
            _, late = await asyncio.wait(running, timeout=GRACE_SECONDS)
            for call in late:
                call.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def main(task: Task) -> Sequence[Sample]:
    """Warm the server's caches, say so, and measure."""
    victim = Victim(task, Connections(task.port, "127.0.0.1"))
    await victim.run(WARM_SECONDS)
    victim.samples.clear()
    print("warm", flush=True)
    await victim.run(task.seconds)
    victim.connections.close()
    return victim.samples


if __name__ == "__main__":
    with suppress(PermissionError):
        os.nice(_NICENESS)
    measured = asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Task)))
    print(json.dumps(msgspec.to_builtins(measured)), flush=True)
