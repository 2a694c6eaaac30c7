"""The README says what is there: its map and its test command; the locks pin what the project needs."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return the text under a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def test_the_map_names_what_is_there() -> None:
    """Every file and folder of the map exists."""
    first, _, drawing = section("The map").split("```")[1].strip().partition("\n")
    assert first == "src/diglot/"
    source = ROOT / "src" / "diglot"
    for name in re.findall(r"\b([a-z_]+\.py|[a-z_]+/)(?=[\s,;]|$)", drawing):
        found = [*source.rglob(name.rstrip("/")), *(ROOT / "tests").rglob(name.rstrip("/"))]
        assert found or (ROOT / name).exists(), name


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
