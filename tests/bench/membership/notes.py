"""Describes a built database in a file next to it, so that another run can reuse the database."""

from pathlib import Path
from typing import Final

import msgspec

from bench.membership.segments import Spec
from diglot.storage.schema.revisions import LATEST

MAIN: Final = "main"
NONE, HUNDRED, THOUSAND = "none", "hundred", "thousand"
# The workspaces for writes, and the number of active segments of each.
LIVE: Final = {NONE: 0, HUNDRED: 100, THOUSAND: 1_000}
# Raise this number when the contents of the built databases change.
FORMAT: Final = 2
# The keys of a workspace by dialect.
Keyring = dict[str, str]


class BuiltSegment(msgspec.Struct, frozen=True):
    """A segment that the build created."""

    id: str
    spec: Spec


class Note(msgspec.Struct):
    """A built database: the number of contacts of each workspace, the keys and the segments."""

    contacts: int
    keys: dict[str, Keyring]
    kinds: list[BuiltSegment] = []
    live: dict[str, list[BuiltSegment]] = {}
    evaluated: list[str] = []
    """Which workspaces had their live segments evaluated since the contacts were copied."""
    imported: int = 0
    """How many addresses imports have brought so far."""
    revision: str = LATEST
    format: int = FORMAT

    def of_kind(self, kind: str) -> list[BuiltSegment]:
        """Return the thirty segments of a kind."""
        return [item for item in self.kinds if item.spec.kind == kind]

    def named(self, name: str) -> BuiltSegment:
        """Return one of the thirty segments of each kind by its name."""
        return next(kind for kind in self.kinds if kind.spec.name == name)

    def write(self, path: Path) -> None:
        """Write the note."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))


def read(path: Path) -> Note | None:
    """Return the note of a database that can be reused."""
    if not path.exists():
        return None
    result = msgspec.json.decode(path.read_bytes())
    if (result["format"], result["revision"]) != (FORMAT, LATEST):
        return None
    return msgspec.json.decode(path.read_bytes(), type=Note)
