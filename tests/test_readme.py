"""The README says what the code does: its tables and names are read against it."""

import os
import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
from packaging.requirements import Requirement

from diglot.cli import commands
from diglot.dialects.misar.conditions import WORDS as MISAR
from diglot.dialects.rules import Words
from diglot.dialects.topmail.conditions import WORDS as TOPMAIL
from diglot.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text under a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def code(text: str) -> list[str]:
    """Return the inline code of a text."""
    return re.findall(r"`([^`]+)`", text)


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(("words", "column"), [(MISAR, 1), (TOPMAIL, 2)], ids=["misar", "topmail"])
def test_the_table_of_operators(words: Words, column: int) -> None:
    """Every word of a dialect is in its column, those it borrows in brackets, and nothing else is."""
    cells = [row[column] for row in rows(section("Operators"))]
    borrowed = list(chain.from_iterable(re.findall(r"\(`([^`]+)`\)", cell) for cell in cells))
    own = [word for word in chain.from_iterable(map(code, cells)) if word not in borrowed]
    assert sorted(own) == sorted(words.own.values())
    assert sorted(borrowed) == sorted(words.borrowed.values())


def test_one_row_holds_one_meaning() -> None:
    """The columns of a row mean the same canonical operators."""
    for _, misar, topmail in rows(section("Operators")):
        meant = {MISAR.operators[word] for word in code(misar)}
        assert meant == {TOPMAIL.operators[word] for word in code(topmail)}


def test_every_setting_is_named() -> None:
    """And no variable that is none."""
    settings = {f"DIGLOT_{name.upper()}" for name in msgspec.structs.asdict(Settings())}
    named = set(re.findall(r"DIGLOT_[A-Z_]+", README))
    assert settings <= named
    assert named - settings <= {"DIGLOT_CONFIG", "DIGLOT_TEST_POSTGRESQL"}


def test_every_command_that_it_shows_exists() -> None:
    """A command line of the README starts with a command and has options that the command has."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    shown: list[str] = re.findall(r"^.*?\b(diglot [a-z].*)$", _fenced(), re.MULTILINE)
    shown += [text for text in code(prose) if text.startswith("diglot ")]
    assert len(shown) >= 5
    for line in shown:
        command: Any = commands
        words = line.partition("#")[0].split()[1:]
        while words and hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = set(chain.from_iterable(option.opts + option.secondary_opts for option in command.params))
        assert {word for word in words if word.startswith("--")} <= known, line


def _fenced() -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


def test_the_map_names_what_is_there() -> None:
    """Every file and folder of the map exists."""
    first, _, drawing = section("The map").split("```")[1].strip().partition("\n")
    assert first == "src/diglot/"
    source = ROOT / "src" / "diglot"
    for name in re.findall(r"\b([a-z_]+\.py|[a-z_]+/)(?=[\s,;]|$)", drawing):
        found = [*source.rglob(name.rstrip("/")), *(ROOT / "tests").rglob(name.rstrip("/"))]
        assert found or (ROOT / name).exists(), name


def test_the_links_lead_somewhere() -> None:
    """A relative link names a file of the repository."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_ci_runs_the_test_command() -> None:
    """`.ci/run` reads the command between two comments, and is a program."""
    found = re.search(
        r"^<!-- test command -->\n```sh\n(.+)\n```\n<!-- /test command -->$", README, re.MULTILINE
    )
    assert found is not None
    assert ".venv/bin/pytest" in found[1]
    runner = ROOT / ".ci" / "run"
    assert "<!-- test command -->" in runner.read_text()
    assert os.access(runner, os.X_OK)


@pytest.mark.parametrize(
    ("lock", "group"),
    [
        ("requirements.lock", ("project", "dependencies")),
        ("requirements-build.lock", ("build-system", "requires")),
    ],
)
def test_the_locks_pin_what_the_project_needs(lock: str, group: tuple[str, str]) -> None:
    """Each dependency has one version that fits and hashes; no host stands in a lock."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))
    assert len(pinned) == len(
        re.findall(r"^[a-z0-9-]+==[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for line in project[group[0]][group[1]]:
        needed = Requirement(line)
        assert pinned[needed.name] in needed.specifier
