"""The README has the test command that CI runs; the lock files pin the project's dependencies."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement

from support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_the_test_command() -> None:
    """`.ci/run` reads the command between two comments, and is executable."""
    match = re.search(
        r"^<!-- test command -->\n```sh\n(.+)\n```\n<!-- /test command -->$", README, re.MULTILINE
    )
    assert match is not None
    assert ".venv/bin/pytest" in match[1]
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
def test_the_locks_pin_the_dependencies(lock: str, group: tuple[str, str]) -> None:
    """Each dependency has one matching version with hashes; a lock file contains no host."""
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
