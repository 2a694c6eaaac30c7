"""A copy of the sources to which something is added, in named files only."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from support.paths import ROOT

SOURCES: Final = ROOT / "src" / "diglot"


@dataclass(frozen=True)
class Addition:
    """What is added: a text after an anchor of a file, a new file, or a folder made of another one."""

    name: str
    edits: Mapping[str, tuple[tuple[str, str], ...]]
    files: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, tuple[str, Callable[[str], str]]] = field(default_factory=dict)

    @property
    def touched(self) -> list[str]:
        """The files that know of the addition, and the folders that are new, each with a slash at its end."""
        return sorted([*self.edits, *self.files, *(f"{folder}/" for folder in self.folders)])


def add_to_copy(addition: Addition, place: Path) -> Path:
    """Copy the sources and make the addition; return the folder to import from."""
    package = place / "src" / "diglot"
    # With the bytecode, so that a probe compiles only what the addition changed.
    shutil.copytree(SOURCES, package)
    for folder, (origin, rename) in addition.folders.items():
        shutil.copytree(
            package / origin, package / folder, ignore=shutil.ignore_patterns("__pycache__", "*.json")
        )
        for file in (package / folder).rglob("*.py"):
            file.write_text(rename(file.read_text(encoding="utf-8")), encoding="utf-8")
    for name, text in addition.files.items():
        assert not (package / name).exists(), f"{name} exists"
        (package / name).write_text(text, encoding="utf-8")
    for name, edits in addition.edits.items():
        text = (package / name).read_text(encoding="utf-8")
        for anchor, more in edits:
            assert text.count(anchor) == 1, f"{name} no longer has one {anchor!r}: change the addition"
            text = text.replace(anchor, anchor + more)
        (package / name).write_text(text, encoding="utf-8")
    return place / "src"


def run_probe(addition: Addition, place: Path) -> str:
    """Run the probe of an addition on a copy that has it; return why it failed, or nothing."""
    path = os.pathsep.join([str(add_to_copy(addition, place)), str(ROOT / "tests")])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    done = subprocess.run(
        [sys.executable, "-m", f"support.one_guess.{addition.name}_probe", str(place / "probe.db")],
        cwd=place,
        env=environment | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr
