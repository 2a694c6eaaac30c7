"""A newcomer: a client of another workspace and address, who must be answered while a server is abused.

    async with database.fresh() as url, running(url) as live, newcomer(live) as other:
        ...  # the attack, in the workspace of an `attacker(live)` or without a key
    # Leaving the block raises AssertionError if a call failed or took longer than `within` seconds.

Each call has a new connection, and a thread of its own makes them, so that neither a connection from before
the attack nor the event loop of the attacking test decides about the result.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from support.servers.in_process import bearer
from support.servers.process import ServerProcess

NEWCOMER_ADDRESS: Final = "127.0.0.9"
ATTACKER_ADDRESS: Final = "127.0.0.2"
# Seconds that an answer may take on a busy machine; a server that is blocked takes longer or never answers.
WITHIN: Final = 5.0
# Seconds after which a call counts as unanswered.
GIVES_UP: Final = 60.0
_PAUSE: Final = 0.2


@dataclass(frozen=True)
class Answer:
    """The outcome of a call: its name, its status (0 for none), its seconds, and the fault or the body."""

    call: str
    status: int
    seconds: float
    text: str

    def __str__(self) -> str:
        return f"{self.call}: {self.status} after {self.seconds:.2f} s: {self.text[:200]}"

    @property
    def is_good(self) -> bool:
        return self.status in (200, 201)


@dataclass
class Newcomer:
    """Calls `/health`, reads and small writes in turn, in both dialects."""

    live: ServerProcess
    misar: str
    topmail: str
    within: float = WITHIN
    answers: list[Answer] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    contact: str = ""

    def slowest(self) -> float:
        """Return the seconds of the slowest answer."""
        return max(answer.seconds for answer in self.answers)

    def faults(self) -> list[Answer]:
        """Return the calls that failed or took too long."""
        return [each for each in self.answers if not each.is_good or each.seconds > self.within]

    def go_round(self) -> None:
        """Make each call once, up to one that is not answered."""
        for call in self._calls():
            self.answers.append(self.call(*call))
            if not self.answers[-1].status:
                return

    def call(self, method: str, path: str, key: str = "", body: Any = None) -> Answer:
        """Make one call on a new connection."""
        where = urlsplit(self.live.base)
        assert where.hostname is not None
        source = (NEWCOMER_ADDRESS, 0)
        connection = HTTPConnection(where.hostname, where.port, timeout=GIVES_UP, source_address=source)
        headers = {**(bearer(key) if key else {}), **({} if body is None else _JSON)}
        name, began = f"{method} {path}", time.monotonic()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            return Answer(name, 0, time.monotonic() - began, repr(error))
        finally:
            connection.close()
        return Answer(name, answer.status, time.monotonic() - began, text)

    def settle(self) -> None:
        """Create the contact that later calls read and change."""
        made = self.call("POST", "/mail/v1/contacts", self.misar, {"email": "newcomer@example.com"})
        assert made.is_good, str(made)
        self.contact = json.loads(made.text)["data"]["id"]

    def run(self) -> None:
        """Go round until told to stop, and once more after that."""
        while not self.stopping.wait(_PAUSE):
            self.go_round()
        if not self.answers or self.answers[-1].status:
            self.go_round()

    def _calls(self) -> Iterator[tuple[Any, ...]]:
        contact = f"/mail/v1/contacts/{self.contact}"
        yield "GET", "/health"
        yield "GET", "/mail/v1/contacts?limit=5", self.misar
        yield "GET", contact, self.misar
        yield "GET", "/api/v1/segments", self.topmail
        yield "PATCH", contact, self.misar, {"first_name": f"Ada {len(self.answers)}"}


_JSON: Final = {"Content-Type": "application/json"}


@asynccontextmanager
async def newcomer(live: ServerProcess, *, within: float = WITHIN) -> AsyncIterator[Newcomer]:
    """Keep a newcomer calling until the end of the block, and check that each call was answered in time."""
    place = replace(live, workspace="newcomer")
    calling = Newcomer(live, await place.key("misar"), await place.key("topmail"), within)
    await asyncio.to_thread(calling.settle)
    await asyncio.to_thread(calling.go_round)
    assert not calling.faults(), "the server is busy before the attack"
    thread = threading.Thread(target=calling.run, daemon=True)
    thread.start()
    try:
        yield calling
    finally:
        calling.stopping.set()
        await asyncio.to_thread(thread.join)
    faults = [str(fault) for fault in calling.faults()]
    assert not faults, f"{len(faults)} of {len(calling.answers)} calls of the newcomer failed: {faults[:5]}"


@asynccontextmanager
async def attacker(
    live: ServerProcess, dialect: str = "misar", *, key: str | None = None, patience: float = GIVES_UP
) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client at another address, with a key of the workspace "attacker" or a given one ("" for none).

    A call times out after `patience` seconds without a byte.
    """
    if key is None:
        key = await replace(live, workspace="attacker").key(dialect)
    transport = httpx.AsyncHTTPTransport(
        local_address=ATTACKER_ADDRESS, limits=httpx.Limits(max_connections=None)
    )
    headers = bearer(key) if key else {}
    async with httpx.AsyncClient(
        base_url=live.base, headers=headers, transport=transport, timeout=patience
    ) as client:
        yield client
