"""What a disk may hold after a power loss: rebuilt from a trace of writes and syncs.

What was synced is there. Of the writes after the last sync of a file a disk may have kept all, none, some, or
the first ones, and may have torn one, because it writes sectors of 512 bytes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from typing import Final

from support.faults.power_trace import Event

SECTOR: Final = 512
Files = dict[str, bytearray]
Choice = Callable[[Sequence[Event], Random], Iterable[Event]]


def _first(pending: Sequence[Event], rng: Random) -> Sequence[Event]:
    return pending[: rng.randint(0, len(pending))]


def _torn(pending: Sequence[Event], rng: Random) -> Iterable[Event]:
    """Return the first events, the last of which lacks some of its sectors if it is a write."""
    kept = _first(pending, rng)
    yield from kept[:-1]
    for event in kept[-1:]:
        if event.kind != "write":
            yield event
        for begin in range(0, len(event.content), SECTOR):
            if rng.random() < 0.5:
                sector = event.content[begin : begin + SECTOR]
                yield Event("write", event.name, event.number + begin, sector)


CHOICES: Final[Mapping[str, Choice]] = {
    "dropped": lambda pending, rng: (),
    "kept": lambda pending, rng: pending,
    "part": lambda pending, rng: [event for event in pending if rng.random() < 0.5],
    "prefix": _first,
    "torn": _torn,
}


@dataclass
class Disk:
    """The files of which a disk is sure, and what was done to them since, in order."""

    sure: Files
    trusts_syncs: bool = True
    pending: dict[str, list[tuple[int, Event]]] = field(default_factory=lambda: defaultdict(list))

    def follow(self, events: Iterable[Event]) -> "Disk":
        """Do what a trace says."""
        for place, event in enumerate(events):
            if event.kind == "sync":
                self._sync(event.name)
            elif event.kind not in ("begin", "acknowledge"):
                self.pending[event.name].append((place, event))
            if event.kind == "delete" and event.number:
                self._sync(event.name)
        return self

    def _sync(self, name: str) -> None:
        if self.trusts_syncs:
            _apply(self.sure, (event for _, event in self.pending.pop(name, ())))

    def image(self, choice: str, rng: Random) -> Files:
        """Return the files after a power loss that kept some of what is pending."""
        files = {name: bytearray(content) for name, content in self.sure.items()}
        pending = [event for _, event in sorted(chain.from_iterable(self.pending.values()), key=_place)]
        _apply(files, CHOICES[choice](pending, rng))
        return files


def _place(placed: tuple[int, Event]) -> int:
    return placed[0]


def _apply(files: Files, events: Iterable[Event]) -> None:
    for event in events:
        if event.kind == "delete":
            files.pop(event.name, None)
            continue
        content = files.setdefault(event.name, bytearray())
        if event.kind == "truncate":
            del content[event.number :]
        # A write beyond the end leaves zeros before it, and so does a file that is made longer.
        content.extend(bytes(max(0, event.number - len(content))))
        content[event.number : event.number + len(event.content)] = event.content


def lay(files: Files, folder: Path) -> None:
    """Write the files of an image to a folder."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
