"""Runs commands and tells which files they opened with which SQLite library.

    python -m support.faults.openings '[["keys list --database a.db", "what is on its stdin"]]'

prints a list of objects: the name of a DB-API module to the names of files.
"""

import importlib
import io
import json
import shlex
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Final

from diglot.cli import main
from support.faults.sqlite_hooks import Hooks, install

MODULES: Final = ("sqlite3", "pysqlite3.dbapi2")


class Openings(Hooks):
    """Notes which files were opened."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def created(self, path: str) -> None:
        self.names.add(Path(path).name)


def run(commands: list[tuple[str, str]]) -> list[dict[str, list[str]]]:
    """Run commands one after another; return what each opened."""
    openings = {}
    for name in MODULES:
        with suppress(ImportError):
            module = importlib.import_module(name)
            openings[name] = Openings()
            install(module, openings[name])
    results = []
    for command, stdin in commands:
        sys.stdin = io.StringIO(stdin)
        with redirect_stdout(io.StringIO()), suppress(SystemExit):
            main(shlex.split(command))
        results.append({name: sorted(each.names) for name, each in openings.items()})
        for each in openings.values():
            each.names.clear()
    return results


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
