"""Clients that write at random and know the expected contents: each answered write, whole or not at all.

An actor has contacts, segments, tags and lists of its own, all named after it, so that several can write in
parallel and each still knows the expected state of its own. It keeps this state as facts; an unanswered write
is `pending`: its effect on the facts is there as a whole, or not at all. A write of many contacts is done in
parts: its first contacts, in the order of the request, are there as after, and all others as before. Its
retry does the rest, and reports all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from random import Random
from typing import Any

import httpx

from support.servers.in_process import bearer

# The facts about a resource, by its kind and its name.
Fact = tuple[str, str]
Facts = dict[Fact, Any]
EVENT = "told"


@dataclass(frozen=True)
class ServerClient:
    """A client of a server process with a key of each dialect."""

    client: httpx.AsyncClient
    keys: Mapping[str, str]

    async def send(self, method: str, path: str, body: Any = None, name: str | None = None) -> httpx.Response:
        """Send a request, optionally with an idempotency key."""
        key = self.keys["topmail" if path.startswith("/api/") else "misar"]
        headers = {**bearer(key), **({} if name is None else {"Idempotency-Key": name})}
        json = {} if body is None else {"json": body}
        return await self.client.request(method, path, headers=headers, **json)

    async def get(self, path: str) -> Any:
        """Return the JSON of a response."""
        answer = await self.send("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()


@dataclass(frozen=True)
class Step:
    """A write: the request, and the facts after it.

    A write in parts has the addresses of its contacts in order, and what its response says of all of them.
    """

    method: str
    path: str
    body: Any
    after: Facts
    makes: Fact | None = None
    name: str | None = None
    emails: Sequence[str] = ()
    report: Mapping[str, Any] = field(default_factory=dict)

    def creating(self, fact: Fact) -> "Step":
        """Return the same write with a response that contains the id of a new resource."""
        return replace(self, makes=fact)

    def divided(self, emails: Sequence[str], report: Mapping[str, Any]) -> "Step":
        """Return the same write, of which a killed server may have done the first contacts."""
        return replace(self, emails=emails, report=report)

    def done_count(self, actual: Facts) -> int:
        """Return how many contacts from the first one on are as after the write."""
        persons = (("contact", email) for email in self.emails)
        done = takewhile(lambda person: actual.get(person) == self.after.get(person), persons)
        return sum(1 for _ in done)

    def after_first(self, count: int, before: Facts) -> Facts:
        """Return the facts after the first contacts of the write, and the events about them."""
        done = frozenset(self.emails[:count])
        result: Facts = {}
        for fact in {**before, **self.after}:
            old, new = before.get(fact), self.after.get(fact)
            value = new if fact[0] in {"contact", EVENT} and fact[1] in done else old
            if isinstance(old, frozenset) and isinstance(new, frozenset):
                # Who is on a list by hand: deleted contacts leave it.
                value = old - (done - new)
            if value is not None:
                result[fact] = value
        return result


Action = Callable[["Actor"], Step | None]


@dataclass
class Actor:
    """A client with its own resources: at most `size` contacts, `least` to `most` of them in one write."""

    name: str
    rng: Random
    size: int
    least: int
    most: int
    ways: Sequence[ServerClient] = ()
    facts: Facts = field(default_factory=dict)
    ids: dict[Fact, str] = field(default_factory=dict)
    pending: Step | None = None
    made: int = 0

    def new_name(self, what: str) -> str:
        """Return a name that was not used before."""
        self.made += 1
        return f"{self.name}-{what}-{self.made}"

    def email(self, number: int) -> str:
        """Return the address of one of its contacts."""
        return f"{self.name}-{number}@example.com"

    def choose(self, things: Sequence[Any]) -> list[Any]:
        """Return a random choice for one write, at least one."""
        return self.rng.sample(things, min(len(things), self.rng.randint(self.least, self.most)))

    def identified(self, kind: str) -> list[Fact]:
        """Return its resources of a kind with known ids."""
        return [fact for fact in self.facts if fact[0] == kind and fact in self.ids]

    def step(self, method: str, path: str, body: Any, after: Facts) -> Step:
        """Return a write; half of all can be retried."""
        name = self.new_name("write") if self.rng.random() < 0.5 else None
        return Step(method, path, body, after, name=name)

    async def act(self, action: Action) -> bool:
        """Do a write; return False if its resources are missing."""
        step = action(self)
        if step is None:
            return False
        await self.do(step)
        return True

    async def do(self, step: Step) -> None:
        """Send a write and update the facts after its response."""
        self.pending = step
        way = self.rng.choice(self.ways)
        answer = await way.send(step.method, step.path, step.body, step.name)
        told = f"{step.method} {step.path}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code in (200, 201), told
        if step.report:
            report = answer.json()
            assert {name: report.get(name) for name in step.report} == step.report, told
        if step.makes is not None:
            self.ids[step.makes] = answer.json()["data"]["id"]
        # A resource that is deleted and created again has another id.
        self.ids = {fact: id_ for fact, id_ in self.ids.items() if fact in step.after}
        self.facts, self.pending = step.after, None

    def settle(self, actual: Facts, ids: Mapping[Fact, str]) -> str | None:
        """Compare the contents with the facts; return whether an unanswered write was "done" or "undone".

        It may also be done "in part". Return None if every write was answered. The contents must be all of
        the actor's resources.
        """
        done: str | None = None
        if self.pending is not None:
            done = "undone"
            if actual == visible_facts(self.pending.after):
                done, self.facts = "done", self.pending.after
            elif count := self.pending.done_count(actual):
                done, self.facts = "in part", self.pending.after_first(count, self.facts)
        assert not (faults := differences(visible_facts(self.facts), actual)), f"{self.pending}: {faults}"
        self.ids = dict(ids)
        return done

    async def retry(self) -> None:
        """Retry an unanswered write with its idempotency key, so that it is done exactly once."""
        if self.pending is not None and self.pending.name is not None:
            await self.do(self.pending)
        self.pending = None


def visible_facts(facts: Facts) -> Facts:
    """Return the facts that a server shows."""
    return {fact: value for fact, value in facts.items() if fact[0] != EVENT}


def differences(expected: Facts, actual: Facts) -> list[str]:
    """Return the first few differences as text."""
    differing = [fact for fact in {**expected, **actual} if expected.get(fact) != actual.get(fact)]
    return [f"{fact}: {expected.get(fact)} expected, {actual.get(fact)} found" for fact in differing[:5]]
