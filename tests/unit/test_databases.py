"""Only `storage/sql` knows the differences between databases; nothing outside asks which one it uses."""

import ast
from collections.abc import Iterator

from diglot.storage.sql.databases import DATABASES, find_database
from support import engines
from support.paths import ROOT

SOURCE = ROOT / "src" / "diglot"
HOME = SOURCE / "storage" / "sql"
NAMES = {one.name for one in DATABASES}
# Strings that a comparison by name would need: the names and what drivers and URLs are called after.
WORDS = {*NAMES, "postgres", "aiosqlite", "asyncpg", "pysqlite"}
# Modules of one database each; everything else reaches a database through its record.
MODULES_OF_ONE = tuple(f"diglot.storage.sql.{name}" for name in NAMES)


def test_a_name_is_asked_only_where_the_records_are() -> None:
    """A new database would have to change every other place that decides by its name."""
    outside = [path for path in sorted(SOURCE.rglob("*.py")) if HOME not in path.parents]
    assert len(outside) > 200
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {what}"
        for path in outside
        for line, what in decisions_in(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_decisions_by_name_are_found() -> None:
    """An empty list proves nothing unless each kind of decision is seen."""
    for text in (
        'backend.name == "sqlite"',
        'url.startswith("postgresql://")',
        "backend.name != other",
        "connection.dialect.name",
        "isinstance(engine, SQLite)",
        "from diglot.storage.sql.sqlite_file import parse_sqlite_path",
        "from diglot.storage.sql import postgresql",
    ):
        assert list(decisions_in(ast.parse(text))), text


def decisions_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the lines that know a database, and what they know it by."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(value)) if value.split(":")[0] in WORDS:
                yield node.lineno, repr(value)
            case ast.Attribute(attr="name", value=ast.Name(id="backend" | "database")):
                yield node.lineno, "the name of a backend"
            case ast.Attribute(attr="name", value=ast.Attribute(attr="backend" | "dialect") as owner) if (
                owner.attr == "backend" or is_of_connection(owner)
            ):
                yield node.lineno, "the name of a backend"
            case ast.Name(id="SQLite" | "PostgreSQL" | "SQLITE" | "POSTGRESQL"):
                yield node.lineno, node.id
            case ast.ImportFrom(module=str(module)):
                full = [module, *(f"{module}.{one.name}" for one in node.names)]
                if any(name.startswith(MODULES_OF_ONE) for name in full):
                    yield node.lineno, f"an import from {module}"


def is_of_connection(owner: ast.Attribute) -> bool:
    """Tell SQLAlchemy's `connection.dialect` from the dialects of the vendors."""
    return "connection" in ast.unparse(owner.value) or "bind" in ast.unparse(owner.value)


def test_each_database_is_found_by_its_url() -> None:
    """The prefixes of one record do not hide another's."""
    for one in DATABASES:
        for prefix in one.url_prefixes:
            assert find_database(f"{prefix}somewhere") is one.load()
            assert one.load().name == one.name


def test_each_database_is_tested() -> None:
    """A record without an entry in `support/engines.py` would be a promise without a test."""
    assert {one.name for one in engines.DATABASES} >= NAMES
