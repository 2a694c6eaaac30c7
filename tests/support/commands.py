"""Runs commands of the command line in this process."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from diglot.cli import main


@dataclass(frozen=True)
class CommandResult:
    """What a command left: its exit code, and what it wrote."""

    code: object
    out: str
    err: str


Run = Callable[..., CommandResult]


def command_runner(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command without settings in the environment."""
    for name in [name for name in os.environ if name.startswith("DIGLOT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, stdin: str = "") -> CommandResult:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as left:
            main(arguments)
        captured = capsys.readouterr()
        return CommandResult(left.value.code, captured.out, captured.err)

    return run
