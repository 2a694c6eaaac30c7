"""A trace of what processes write to the files of SQLite, when they sync it, and what clients note meanwhile.

All processes append to one file, each event in one write, so that the order of events is theirs. A process is
traced if TRACE is in its environment and the folder `traced` in its PYTHONPATH.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from diglot.storage.sql.sqlite_module import sqlite3
from support.faults.sqlite_hooks import Hooks, install
from support.paths import TESTS

TRACE: Final = "POWER_TRACE"
_TRACED: Final = Path(__file__).with_name("traced")
_LENGTH_BYTES: Final = 4
Kind = Literal["create", "write", "truncate", "sync", "delete", "begin", "acknowledge"]


class Event(msgspec.Struct, frozen=True, array_like=True):
    """An event: of a file, with an offset or a size; or of a client, with the number of its write."""

    kind: Kind
    name: str
    number: int = 0
    content: bytes = b""


class Recorder(Hooks):
    """Appends events to a trace."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._encoder = msgspec.msgpack.Encoder()

    def record(self, event: Event) -> None:
        """Append an event."""
        content = self._encoder.encode(event)
        os.write(self._descriptor, len(content).to_bytes(_LENGTH_BYTES, "big") + content)

    def created(self, path: str) -> None:
        self.record(Event("create", Path(path).name))

    def written(self, path: str, offset: int, content: bytes) -> None:
        self.record(Event("write", Path(path).name, offset, content))

    def truncated(self, path: str, size: int) -> None:
        self.record(Event("truncate", Path(path).name, size))

    def synced(self, path: str) -> None:
        self.record(Event("sync", Path(path).name))

    def deleted(self, path: str, is_synced: bool) -> None:
        self.record(Event("delete", Path(path).name, int(is_synced)))


def read_trace(path: Path) -> list[Event]:
    """Return the events of a trace."""
    content, offset, events = path.read_bytes(), 0, []
    decoder = msgspec.msgpack.Decoder(Event)
    while offset < len(content):
        begin = offset + _LENGTH_BYTES
        offset = begin + int.from_bytes(content[offset:begin], "big")
        events.append(decoder.decode(content[begin:offset]))
    return events


def environment(path: Path) -> Mapping[str, str]:
    """Return the variables with which Python processes append what they write to a trace."""
    folders = (str(_TRACED), str(TESTS), os.environ.get("PYTHONPATH", ""))
    return {TRACE: str(path), "PYTHONPATH": os.pathsep.join(filter(None, folders))}


def trace_this_process() -> None:
    """Append what this process writes through the product's library."""
    if path := os.environ.get(TRACE):
        install(sqlite3, Recorder(Path(path)))
