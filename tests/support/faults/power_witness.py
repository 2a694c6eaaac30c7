"""Clients that write to a traced server, and what each of them knew at any moment of the trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from support.faults.power_trace import Event, Recorder
from support.load_workers.actions import ACTIONS
from support.load_workers.worker import Actor, Fact, Facts, Step


@dataclass
class Witness:
    """An actor that notes in the trace when it begins a write and when it is answered."""

    actor: Actor
    recorder: Recorder
    steps: list[Step] = field(default_factory=list)
    known: list[tuple[Facts, dict[Fact, str]]] = field(default_factory=lambda: [({}, {})])

    async def write(self, times: int) -> None:
        """Do some random writes, the first ones in an order in which each finds what it needs."""
        planned = len(ACTIONS)
        while times:
            number = len(self.steps)
            action = ACTIONS[number] if number < planned else self.actor.rng.choice(ACTIONS)
            step = action(self.actor)
            if step is None:
                planned = 0
                continue
            self.recorder.record(Event("begin", self.actor.name, number))
            self.steps.append(step)
            await self.actor.do(step)
            self.recorder.record(Event("acknowledge", self.actor.name, number))
            self.known.append((self.actor.facts, self.actor.ids))
            times -= 1

    def at(self, events: Sequence[Event], rng: Random) -> Actor:
        """Return the actor as it was after some events: with the facts of all answered writes."""
        mine = [event.kind for event in events if event.name == self.actor.name]
        answered, begun = mine.count("acknowledge"), mine.count("begin")
        facts, ids = self.known[answered]
        pending = self.steps[answered] if begun > answered else None
        return replace(self.actor, facts=facts, ids=ids, pending=pending, rng=rng)
