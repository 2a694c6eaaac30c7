"""Several processes share one SQLite file without loss, because all use a library without the WAL-reset bug.

The whole proof is `pytest tests/faults/test_shared_sqlite_file.py --commit-seconds 60`. That the loop can
fail is seen with Python's own library: `python -m support.faults.committers FILE --module sqlite3`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click
import pytest

from diglot.cli import commands
from diglot.storage.sql import sqlite_module
from diglot.storage.sql.sqlite_module import is_mended
from support.faults.committers import FILLING, ROWS, commit_and_check, library
from support.faults.openings import MODULES
from support.faults.sqlite_hooks import Hooks, hooked
from support.paths import TESTS
from support.reporting import Tally

CHOSEN: Final = sqlite_module.sqlite3.__name__
# Each command that opens a database, with what it reads from stdin.
COMMANDS: Final = {
    "migrate": "",
    "keys create --dialect misar --workspace acme": "",
    "keys adopt --dialect misar --workspace acme": "msk_0123456789abcdef0123456789abcdef\n",
    "keys list": "",
    "keys revoke nothing": "",
    "webhooks-in create --dialect misar --workspace acme": "",
    "webhooks-in list": "",
    "webhooks-in secret nothing": "whsec\n",
    "webhooks-in delete nothing": "",
    "workspaces list": "",
    "workspaces set acme --time-zone UTC": "",
    "workspaces password acme": "correct horse battery staple\n",
    "contacts export a@example.com --workspace acme": "",
    "contacts erase a@example.com --workspace acme --confirm a@example.com --vacuum": "",
    "import FOLDER/people.csv --workspace acme": "",
    "export --workspace acme --output FOLDER/acme.csv": "",
    "workspaces export acme FOLDER/acme.zip": "",
    "workspaces import FOLDER/acme.zip --as copy": "",
    "workspaces rename acme other": "",
    "workspaces delete other --confirm other": "",
    "demo --no-serve": "",
    "check": "",
    "backup FOLDER/copy.db": "",
    "restore FOLDER/copy.db": "",
}
# The tests of power losses see all that a server writes with this library.
ELSEWHERE: Final = {"serve"}


class Interrupted(Hooks):
    """Does something once in the next checkpoint, which knows the log's length and has copied nothing yet."""

    def __init__(self) -> None:
        self.inside: list[Any] = []

    def before_unfetch(self, path: str) -> None:
        del path
        if self.inside:
            self.inside.pop()()


def connect(file: Path, module: Any, stack: ExitStack) -> Any:
    connection = stack.enter_context(closing(module.connect(file, isolation_level=None)))
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def count_lost(file: Path, module: ModuleType) -> int:
    """Begin the log anew inside a checkpoint that holds the old length; return how many commits are lost."""
    hooks = Interrupted()
    with hooked(module, hooks), ExitStack() as stack:
        writer, other, checkpointer = (connect(file, module, stack) for _ in range(3))
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, filling)")
        checkpointer.execute("SELECT * FROM rows").fetchall()
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO rows VALUES (?, ?)", [(n, FILLING) for n in range(ROWS)])
        writer.execute("COMMIT")
        other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

        def update(row: int) -> None:
            writer.execute("UPDATE rows SET filling = 1 WHERE number = ?", (row,))

        hooks.inside.append(lambda: update(0))
        checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        assert not hooks.inside, "the checkpoint did not look at the length of the log"
        for row in range(1, ROWS):
            update(row)
        other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        update(0)
    with ExitStack() as stack:
        query = "SELECT count(*) FROM rows WHERE filling <> 1"
        ((lost,),) = connect(file, module, stack).execute(query).fetchall()
    return int(lost)


def test_a_stale_checkpoint_loses_nothing(tmp_path: Path) -> None:
    """The library of the product survives the order of events that is the WAL-reset bug."""
    assert count_lost(tmp_path / "diglot.db", sqlite_module.sqlite3) == 0


def test_a_library_is_mended_as_its_version_says(tmp_path: Path) -> None:
    """Python's own library loses commits if its version has the bug: the previous test can fail."""
    module = library("sqlite3")
    lost = count_lost(tmp_path / "diglot.db", module)
    assert (lost == 0) == is_mended(module.sqlite_version_info)


def test_processes_that_commit_and_checkpoint_one_file(
    tmp_path: Path, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """Every commit is there, and the file is whole."""
    commits = commit_and_check(tmp_path / "diglot.db", pytestconfig.getoption("commit_seconds"))
    assert commits > 0
    tally("commits of processes that share one SQLite file", "sqlite", commits)


def opening_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Return the names of the commands that take a database."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from opening_commands(inner, (*path, name))
    elif any("--database" in parameter.opts for parameter in command.params):
        yield " ".join(path)


def test_every_command_uses_the_same_library(tmp_path: Path) -> None:
    """A second library would drop the locks of the first, and an older one would corrupt the file."""
    names = set(opening_commands(commands)) - ELSEWHERE
    assert all(any(line.startswith(name) for line in COMMANDS) for name in names), names
    (tmp_path / "people.csv").write_text("email\nb@example.com\n")
    lines = [
        (f"{line.replace('FOLDER', str(tmp_path))} --database {tmp_path / 'diglot.db'}", stdin)
        for line, stdin in COMMANDS.items()
    ]
    command = [sys.executable, "-m", "support.faults.openings", json.dumps(lines)]
    result = subprocess.run(command, cwd=TESTS, stdout=subprocess.PIPE, check=True)
    for line, opened in zip(COMMANDS, json.loads(result.stdout), strict=True):
        assert "diglot.db" in opened[CHOSEN], line
        assert not any(opened.get(name) for name in MODULES if name != CHOSEN), line
