"""Imports point downwards, and modules, functions and folders stay small."""

import ast
import logging.config
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from support.paths import ROOT

SOURCE = ROOT / "src" / "diglot"
MODULES = sorted(SOURCE.rglob("*.py"))

MAX_MODULE_LINES = 300
# Tables: rows one after another, and only short functions.
LONG_MODULES = {
    "settings.py": "the settings, one row after another",
    "storage/schema/migrations/versions/r001_first_release.py": "the schema, one table after another",
}
MAX_FUNCTION_LINES = 30
MAX_MODULES_OF_A_FOLDER = 16

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Return every function of a module with its number of lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            assert node.end_lineno is not None
            yield f"{name_of(path)}:{node.name}", node.end_lineno - node.lineno + 1


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_the_modules_were_found() -> None:
    """An empty run would prove nothing."""
    assert len(MODULES) > 200


def test_the_contracts_of_imports_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyproject.toml has the contracts for layers, cycles and libraries, and `lint-imports` checks them."""
    monkeypatch.chdir(ROOT)
    # It would disable the loggers of all other modules, whose lines other tests read.
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


def test_modules_are_short() -> None:
    """A reader can keep a module in mind; the exceptions are tables, and are still needed."""
    long = {name_of(path) for path in MODULES if len(path.read_text().splitlines()) > MAX_MODULE_LINES}
    assert long == set(LONG_MODULES)


def test_functions_are_short() -> None:
    """A function fits on a screen."""
    long = [name for path in MODULES for name, lines in functions(path) if lines > MAX_FUNCTION_LINES]
    assert not long


def test_folders_are_small() -> None:
    """A reader sees the content of a folder at a glance."""
    folders = Counter(name_of(path.parent) for path in MODULES)
    assert not {folder: n for folder, n in folders.items() if n > MAX_MODULES_OF_A_FOLDER}


def test_modules_of_tests_have_different_names() -> None:
    """Of two modules that have one name, pytest collects only one."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []
