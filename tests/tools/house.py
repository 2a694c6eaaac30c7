"""Counts that show whether the house is in order: `python -m tools.house`, also of another checkout.

    python -m tools.house --source ../before/src/diglot --source ../src/diglot --files

prints a table with a column for each tree. A file knows a fact if its code contains the word: names, imports
and strings count. Comments and docstrings do not, because the program works without them.
"""

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from support.paths import ROOT

SOURCE: Final = ROOT / "src" / "diglot"
# Modules that describe databases: backends and tables, also at their paths before the folders of storage.
_DATABASES: Final = (
    r"^storage/((sql|schema|tables|migrations)/|(\w*sqlite\w*|postgresql|backends|engine|migrate)\.py)"
)
# A fact, the words that name it, and, if it has modules of its own, their paths.
FACTS: Final = (
    ("field job_title", r"job_?title", None),
    ("field total_orders", r"total_?orders", None),
    ("database by name", r"sqlite|postgres", _DATABASES),
    ("dialect by name", r"misar|topmail", r"^dialects/(misar|topmail)/"),
    ("operator in_last_days", r"in_?last_?days", None),
)

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """A module of the source, by its path."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0] or "."

    @property
    def length(self) -> int:
        return len(self.text.splitlines())

    def iterate_functions(self) -> Iterator[_Function]:
        """Return every function and method, inner ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, _Function))

    @cached_property
    def words(self) -> frozenset[str]:
        """Return the names, imported modules and strings of the code, without docstrings, in lower case."""
        docstrings = {id(_docstring(node)) for node in ast.walk(self.tree)}
        nodes = (node for node in ast.walk(self.tree) if id(node) not in docstrings)
        return frozenset(word.lower() for node in nodes for word in _words_of(node))

    def knows(self, pattern: str) -> bool:
        return any(re.search(pattern, word) for word in self.words)


def _docstring(node: ast.AST) -> ast.expr | None:
    """Return the node of the docstring of a module, class or function."""
    first = node.body[0] if isinstance(node, _DOCUMENTED) and node.body else None
    return first.value if isinstance(first, ast.Expr) else None


def _words_of(node: ast.AST) -> Iterable[str]:
    """Return the words in one node of the tree."""
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
            return (name,)
        case ast.keyword(arg=str(name)) | ast.ImportFrom(module=str(name)):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.MatchClass(kwd_attrs=names):
            return names
        case _:
            return ()


@dataclass(frozen=True)
class Figure:
    """A row of the table: its title, the value, and the files behind it."""

    title: str
    value: str
    files: tuple[str, ...] = ()


def read(source: Path) -> list[Module]:
    """Read the modules below a folder."""
    paths = sorted(source.rglob("*.py"))
    return [Module(path.relative_to(source).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def count(modules: Sequence[Module]) -> list[Figure]:
    """Return every figure of a tree."""
    return [*_sizes(modules), *_functions(modules), *_facts(modules)]


def _sizes(modules: Sequence[Module]) -> Iterator[Figure]:
    folders = Counter(module.folder for module in modules)
    largest, most = folders.most_common(1)[0]
    lengths = [module.length for module in modules if not module.path.endswith("__init__.py")]
    yield Figure("lines of source", f"{sum(module.length for module in modules):,}")
    yield Figure("modules", str(len(modules)))
    yield Figure("  without __init__", str(len(lengths)))
    yield Figure("folders", str(len(folders)))
    yield Figure("largest folder: modules", f"{most} ({largest})")
    yield Figure("module length: median / p90 / longest", _spread(lengths))
    yield Figure("  with __init__", _spread([module.length for module in modules]))
    yield Figure("modules of less than 40 lines", str(sum(length < 40 for length in lengths)))


def _functions(modules: Sequence[Module]) -> Iterator[Figure]:
    functions = [function for module in modules for function in module.iterate_functions()]
    names = [function.name for function in functions]
    plain = [name for name in names if not (name.startswith("__") and name.endswith("__"))]
    bare = [name for name in plain if "_" not in name.strip("_")]
    yield Figure("functions", f"{len(names):,}")
    yield Figure("functions with a one-word name", f"{len(bare) / max(len(plain), 1):.0%}")
    yield Figure("function length: median / p90 / longest", _spread([_length(item) for item in functions]))


def _facts(modules: Sequence[Module]) -> Iterator[Figure]:
    for fact, words, place in FACTS:
        knowing = [module.path for module in modules if module.knows(words)]
        yield Figure(f"files that know {fact}", str(len(knowing)), tuple(knowing))
        if place is not None:
            others = [path for path in knowing if not re.search(place, path)]
            yield Figure(f"  outside: {fact}", str(len(others)), tuple(others))


def _length(function: _Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def _spread(lengths: Sequence[int]) -> str:
    """Return the median, the value that nine of ten stay below, and the largest."""
    if not lengths:
        return "-"
    p90 = quantiles(lengths, n=10, method="inclusive")[-1] if len(lengths) > 1 else lengths[0]
    return f"{median(lengths):.0f} / {p90:.0f} / {max(lengths)}"


def table(trees: Sequence[Sequence[Figure]]) -> str:
    """Return the figures of each tree side by side."""
    rows = [(figures[0].title, *(figure.value for figure in figures)) for figures in zip(*trees, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description="Count modules, names, and files that know a fact.")
    parser.add_argument("--source", type=Path, action="append", help="folder of a package; each is a column")
    parser.add_argument(
        "--files", action="store_true", help="name the files that know a fact in the last tree"
    )
    options = parser.parse_args()
    trees = [count(read(source)) for source in options.source or [SOURCE]]
    print(table(trees))
    for figure in trees[-1] if options.files else ():
        if figure.files:
            print(f"\n{figure.title.strip()}:", *figure.files, sep="\n  ")


if __name__ == "__main__":
    _main()
