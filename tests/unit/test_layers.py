"""Imports point downwards, in the order of the map; modules and functions stay short."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from support import paths

ROOT = paths.ROOT / "src" / "diglot"
PACKAGE = "diglot"

# From the top down. Units of one row do not import each other, but for those a row names together.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("app",),
    ("forward",),
    ("http", "settings", "delivery", "upkeep"),
    ("console",),
    ("dialects",),
    ("service",),
    ("storage",),
    ("model",),
    ("conditions",),
    ("errors",),
    ("__init__",),
)
HEIGHT = {unit: -height for height, row in enumerate(LAYERS) for unit in row}
# Beside the app, and seen only from above.
ONLY_FOR = {
    "http": {"app", "cli", "forward"},
    "forward": {"app"},
    "delivery": {"app"},
    "upkeep": {"app"},
    "console": {"app"},
    "settings": {"app", "cli"},
    "cli": {"__main__"},
}
# Which units may know a library at all.
LIBRARIES = {
    "sqlalchemy": {"storage", "app"},
    "alembic": {"storage"},
    "aiosqlite": {"storage"},
    "asyncpg": {"storage"},
    "sqlite3": {"storage"},
    "pysqlite3": {"storage"},
    "litestar": {"dialects", "console", "app"},
    "argon2": {"service"},
    "pyroaring": {"service", "storage"},
    "granian": {"cli"},
    "httpx": {"forward", "delivery"},
    "click": {"cli"},
    "yaml": {"dialects"},
}

MOST_LINES = 300
# Tables: one row after another, none of them long.
LONG_MODULES = {
    "dialects/misar/wire.py": "the vendor's shapes, one struct after another",
    "storage/migrations/versions/r001_first_release.py": "the schema, one table after another",
}
MOST_FUNCTION_LINES = 30

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A module, with its dotted name inside the package."""

    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """The module's syntax tree, read when a test needs it, not when tests are collected."""
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def file(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        return self.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def unit(self) -> str:
        return self.name.partition(".")[0]

    @property
    def imported(self) -> frozenset[str]:
        """Every module named in an import, wherever it stands."""
        return frozenset(name for node in ast.walk(self.tree) for name in imports(node))

    @property
    def imported_at_once(self) -> frozenset[str]:
        """What importing this module imports: not what a function imports when it is called."""
        return frozenset(name for node in self.tree.body for name in imports(node))


def imports(node: ast.AST) -> Iterator[str]:
    """Return the absolute names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide where they point"
        assert node.module is not None
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner.removeprefix(f"{PACKAGE}.") in NAMES else node.module


MODULES = [Module(path) for path in sorted(ROOT.rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def inside(module: Module) -> Iterator[str]:
    """Return the names, inside the package, of what a module imports of it."""
    for name in module.imported:
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            yield name.removeprefix(PACKAGE).removeprefix(".") or "__init__"


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Return every function with its number of lines."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            assert node.end_lineno is not None
            yield f"{module.file}:{node.name}", node.end_lineno - node.lineno + 1


every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.file)


def test_the_modules_were_found() -> None:
    """An empty run proves nothing."""
    assert len(MODULES) > 50
    assert {module.unit for module in MODULES} == set(HEIGHT)


@every_module
def test_imports_point_downwards(module: Module) -> None:
    """A module imports its own unit and lower ones."""
    for name in inside(module):
        unit = name.partition(".")[0]
        assert unit == module.unit or HEIGHT[unit] < HEIGHT[module.unit], f"{module.file} imports {name}"
        assert unit == module.unit or module.unit in ONLY_FOR.get(unit, {module.unit}), f"imports {name}"


@every_module
def test_dialects_do_not_know_each_other(module: Module) -> None:
    """What one vendor says never depends on what another does; only the registry knows them all."""
    folders = {path.parent.name for path in ROOT.glob("dialects/*/dialect.py")}
    own = module.name.split(".")[1:2]
    others = {name.split(".")[1] for name in inside(module) if name.startswith("dialects.")} & folders
    free = module.unit != "dialects" or module.name == "dialects.registry"
    assert free or others <= set(own), f"{module.file} imports {others}"


@every_module
def test_libraries_stay_in_their_layer(module: Module) -> None:
    """The storage knows SQL, the dialects know HTTP, the commands know the terminal."""
    for name in module.imported:
        library = name.partition(".")[0]
        assert module.unit in LIBRARIES.get(library, {module.unit}), f"{module.file} imports {name}"


@every_module
def test_one_module_chooses_the_sqlite_library(module: Module) -> None:
    """Two copies of the library on one file, in one process, drop each other's locks."""
    libraries = {name.partition(".")[0] for name in module.imported} & {"sqlite3", "pysqlite3"}
    assert not libraries or module.file == "storage/sqlite_module.py"


def test_there_are_no_cycles() -> None:
    """Modules can be read, and imported, in some order."""
    graph = {
        module.name: {name.removeprefix(f"{PACKAGE}.") for name in module.imported_at_once} & NAMES
        for module in MODULES
    }
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == NAMES


def test_modules_are_short() -> None:
    """A module fits in the head; the exceptions are tables, and are still needed."""
    long = {module.file for module in MODULES if len(module.path.read_text().splitlines()) > MOST_LINES}
    assert long == set(LONG_MODULES)


def test_functions_are_short() -> None:
    """A function fits on a screen."""
    long = {name for module in MODULES for name, lines in functions(module) if lines > MOST_FUNCTION_LINES}
    assert long == set()
