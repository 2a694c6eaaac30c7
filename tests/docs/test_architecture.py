"""The pages about the code name existing modules, functions, and commands of the Makefile."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent.parent
SOURCE: Final = ROOT / "src" / "diglot"
ARCHITECTURE: Final = ROOT / "docs" / "architecture.md"
PAGES: Final = (
    ARCHITECTURE,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
_PATH: Final = re.compile(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|md|json))?|[a-z_]+\.py)(?:::[A-Za-z_.]+)?`")
_FUNCTION: Final = re.compile(r"`([a-z_/]+\.py)::([A-Za-z_]+)`")
_PARTICIPANT: Final = re.compile(r"^ +participant (\w+) as (\S+)$", re.MULTILINE)
_MESSAGE: Final = re.compile(r"^ +\w+->>(\w+): (\w+)\(\)$", re.MULTILINE)
_COMMAND: Final = re.compile(r"(?:`|^|entry: )make(?: --no-print-directory)? ([a-z][a-z-]*)\b", re.MULTILINE)


def _find(path: str) -> Path | None:
    """Find the target of a path in a page: relative to the source or to the repository, or a name alone."""
    result = next((base / path for base in (SOURCE, ROOT) if (base / path).exists()), None)
    return next(SOURCE.rglob(path), None) if result is None and "/" not in path else result


@cache
def _names_in(path: Path) -> frozenset[str]:
    """Return the functions, methods and classes that a module, or one of a folder, defines."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(
        node.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
    )


@each_page
def test_every_path_exists(page: Path) -> None:
    """A file or folder in backticks is in the source or in the repository."""
    named = set(_PATH.findall(page.read_text(encoding="utf-8")))
    assert [path for path in sorted(named) if _find(path) is None] == []


@each_page
def test_every_function_exists(page: Path) -> None:
    """`module.py::name` is defined in that module."""
    for path, name in _FUNCTION.findall(page.read_text(encoding="utf-8")):
        result = _find(path)
        assert result is not None, path
        assert name in _names_in(result), f"{path}::{name}"


def test_the_walks_name_existing_code() -> None:
    """A participant of a diagram is a module or folder, and a call to it is a function there."""
    walks = re.findall(
        r"^```mermaid\n(.*?)^```$", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(walks) == 4
    for walk in walks:
        assert ";" not in walk, "mermaid ends a line at a semicolon"
        places = {name: _find(path) for name, path in _PARTICIPANT.findall(walk)}
        assert [name for name, place in places.items() if place is None] == []
        for participant, function in _MESSAGE.findall(walk):
            place = places[participant]
            assert place is not None
            assert function in _names_in(place), f"{place.relative_to(SOURCE)}: {function}"


def test_the_formats_name_existing_tables() -> None:
    """The tables and columns that the page names are in the schema."""
    schema = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / "storage/schema").glob("*.py"))
    formats = ARCHITECTURE.read_text(encoding="utf-8").split("## The formats", 1)[1].split("\n## ", 1)[0]
    tables = re.findall(r"\btable\s+`([a-z_]+)`", formats)
    described = re.findall(r"^\| column \| \|\n\|---\|---\|\n((?:\|.*\n)+)", formats, re.MULTILINE)
    columns = {name for rows in described for row in rows.splitlines() for name in _first_cell(row)}
    assert len(tables) >= 4
    assert {name for name in {*tables, *columns} if f'"{name}"' not in schema} == set()


def _first_cell(row: str) -> list[str]:
    """Return the columns in the first cell of a Markdown table row, without the name of the table."""
    return [name.rpartition(".")[2] for name in re.findall(r"`([a-z_.]+)`", row.split("|")[1])]


def test_the_map_names_existing_files() -> None:
    """Every file and folder of the map exists."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    drawing = text.split("## The map\n", 1)[1].split("```")[1]
    source, _, tests = drawing.removeprefix("text\nsrc/diglot/\n").partition("\ntests/\n")
    folder = ""
    for base, part in ((SOURCE, source), (ROOT / "tests", tests)):
        for line in part.splitlines():
            indent, *names = re.match(r"( *)((?:[a-z_]+(?:/|\.py) ?)+)", line).groups()  # type: ignore[union-attr]
            folder = "" if len(indent) == 2 else folder
            for name in names[0].split():
                assert (base / folder / name).exists(), f"{folder}{name}"
            folder = names[0].split()[0] if len(indent) == 2 and names[0].strip().endswith("/") else folder


def test_no_folder_is_left_out_of_the_map() -> None:
    """Every package directly under the source is in the map."""
    drawing = ARCHITECTURE.read_text(encoding="utf-8").split("## The map\n", 1)[1].split("```")[1]
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert {name for name in packages if not re.search(rf"^  {name}/ ", drawing, re.MULTILINE)} == set()


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ".pre-commit-config.yaml", ".ci/run"])
def test_every_command_is_in_the_makefile(name: str) -> None:
    """`make WORD` in a page, a hook or CI is a target, and `make help` describes each target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    phony = set(re.findall(r"[a-z-]+", makefile.split(".PHONY:")[1].split("\n\n")[0]))
    assert targets == phony
    assert set(_COMMAND.findall((ROOT / name).read_text(encoding="utf-8"))) <= targets
