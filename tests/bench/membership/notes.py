"""What a database that was built holds: kept beside it, so that another run can use it again."""

from pathlib import Path
from typing import Final

import msgspec

from bench.membership.segments import Spec
from diglot.storage.schema.revisions import LATEST

MAIN: Final = "main"
NONE, HUNDRED, THOUSAND = "none", "hundred", "thousand"
# The workspaces that are written to, and how many live segments each has.
LIVE: Final = {NONE: 0, HUNDRED: 100, THOUSAND: 1_000}
# Moves when what is built becomes another.
FORMAT: Final = 2
# The keys of a workspace by dialect.
Keyring = dict[str, str]


class Made(msgspec.Struct, frozen=True):
    """A segment that was made."""

    id: str
    spec: Spec


class Note(msgspec.Struct):
    """A database that was built: how many contacts each workspace has, the keys and the segments."""

    contacts: int
    keys: dict[str, Keyring]
    kinds: list[Made] = []
    live: dict[str, list[Made]] = {}
    evaluated: list[str] = []
    """Which workspaces had their live segments evaluated since the contacts were copied."""
    imported: int = 0
    """How many addresses imports have brought so far."""
    revision: str = LATEST
    format: int = FORMAT

    def of_kind(self, kind: str) -> list[Made]:
        """Return the thirty segments of a kind."""
        return [one for one in self.kinds if one.spec.kind == kind]

    def named(self, name: str) -> Made:
        """Return a segment of the thirty of each kind by its name."""
        return next(one for one in self.kinds if one.spec.name == name)

    def write(self, path: Path) -> None:
        """Keep the note."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)))


def read(path: Path) -> Note | None:
    """Return the note of a database that may be used again."""
    if not path.exists():
        return None
    found = msgspec.json.decode(path.read_bytes())
    if (found["format"], found["revision"]) != (FORMAT, LATEST):
        return None
    return msgspec.json.decode(path.read_bytes(), type=Note)
