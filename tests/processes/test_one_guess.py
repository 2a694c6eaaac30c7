"""A new field, dialect, database or operator changes the files that CONTRIBUTING.md names, and no other.

Each test adds a pretend one to a copy of the sources, in those files only, and runs a probe that uses it. A
module that has to know it as well makes the probe fail.
"""

from pathlib import Path
from typing import Final

import pytest

from support.one_guess.pretend import Addition, run_probe
from support.paths import ROOT

MIGRATION: Final = '''"""Add a pretend field."""

import sqlalchemy as sa
from alembic import op

revision = "r999"
down_revision = "r012"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("nickname", sa.Text()))
    op.add_column("contacts", sa.Column("nickname_fold", sa.Text()))
'''
MIGRATIONS: Final = "storage/schema/migrations/versions"
FIELD: Final = Addition(
    "field",
    edits={
        "conditions/fields.py": (
            (
                '"The source of the contact, as free text.")]\n',
                '    nickname: Annotated[str | None, _text(30, "What friends say.", "nickName")]\n',
            ),
        ),
        "storage/schema/revisions.py": (('"r011", "r012"', ', "r999"'),),
    },
    files={f"{MIGRATIONS}/r999_nickname.py": MIGRATION},
)
WORD: Final = ((" borrowed_operators={\n", '        "is_exactly": "is_exactly",\n'),)
PYTHON_COMPILER: Final = """def _compile_text(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    op = predicate.op
"""
PYTHON_BRANCH: Final = """    if op is Op.IS_EXACTLY:
        value = writer.add_read(f"s.field_text({predicate.field!r})")
        return f"({value} in {writer.add_constant(_texts_of(predicate.operand))})"
"""
QUESTION: Final = """def _ask_text(predicate: tree.Predicate, _zone: ZoneInfo) -> _FormAndTest:
    op = predicate.op
"""
QUESTION_BRANCH: Final = """    if op is Op.IS_EXACTLY:
        return _ask_keys(Form.EXACT, _texts_of(predicate.operand))
"""
SQL_COMPILER: Final = """def _compile_text(predicate: tree.Predicate, binder: Binder) -> Expression:
    column = contacts.c[predicate.field]
"""
SQL_BRANCH: Final = """    if predicate.op is Op.IS_EXACTLY:
        return column == binder.bind_text(*texts_of(predicate.operand))
"""
OPERATOR: Final = Addition(
    "operator",
    edits={
        "conditions/tree.py": (('    IN = "in"\n', '    IS_EXACTLY = "is_exactly"\n'),),
        "conditions/operands.py": (
            ("    FieldKind.TEXT: _COMMON_OPS | SUBSTRING_OPS", " | {Op.IS_EXACTLY}"),
            ("    FieldKind.ATTRIBUTE: frozenset(Op)", " - {Op.IS_EXACTLY}"),
        ),
        "conditions/python_compiler.py": (
            (
                PYTHON_COMPILER,
                PYTHON_BRANCH,
            ),
        ),
        "conditions/index/predicates.py": ((QUESTION, QUESTION_BRANCH),),
        "storage/predicates/sql_compiler.py": (
            (
                SQL_COMPILER,
                SQL_BRANCH,
            ),
        ),
        "dialects/misar/words.py": WORD,
        "dialects/topmail/words.py": WORD,
    },
)


def rename(text: str) -> str:
    """Return a module of Topmail's as one of the pretend dialect."""
    for old, new in (
        *(("topmail", "acme"), ("TOPMAIL", "ACME"), ("Topmail", "Acme"), ("/api/v1", "/acme/v1")),
        *(("tm_", "ac_"), ('"/openapi.yaml"', '"/acme/v1/openapi.yaml"')),
    ):
        text = text.replace(old, new)
    return text


NEW_IMPORT: Final = "from diglot.dialects.acme.dialect import ACME\n"
DIALECT: Final = Addition(
    "dialect",
    edits={
        "dialects/registry.py": (
            ("from diglot.api.dialect import Dialect, Surface\n", NEW_IMPORT),
            ("DIALECTS: Final[tuple[Dialect, ...]] = (", "ACME, "),
        )
    },
    folders={"dialects/acme": ("dialects/topmail", rename)},
)
RECORD: Final = '''"""SQLite once more, under a scheme of its own."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import MetaData

from diglot.storage.sql.database import Migrator
from diglot.storage.sql.engine import Engine, Limits
from diglot.storage.sql.sqlite import SQLite
from diglot.storage.sql.sqlite_dialect import SQLITE

SCHEME = "pretend:///"


def _find_file(url: str) -> Path:
    return Path(url.removeprefix(SCHEME))


def _create_engine(url: str, ephemeral_tables: MetaData, limits: Limits) -> Engine:
    return SQLite(_find_file(url), PRETEND, ephemeral_tables, limits)


async def _read_revision(url: str) -> str | None:
    return await SQLITE.read_revision(str(_find_file(url)))


def _load_migrator() -> Migrator:
    migrator = SQLITE.load_migrator()
    return replace(migrator, begin=lambda url: migrator.begin(str(_find_file(url))))


PRETEND = replace(
    SQLITE,
    name="pretend",
    create_engine=_create_engine,
    read_revision=_read_revision,
    load_migrator=_load_migrator,
    embedded=replace(SQLITE.embedded, find_file=_find_file),
)
'''
DATABASE: Final = Addition(
    "database",
    edits={
        "storage/sql/databases.py": (
            (
                "DATABASES: Final = (\n",
                '    ListedDatabase("pretend", ("pretend://",), "diglot.storage.sql.pretend_dialect"),\n',
            ),
        )
    },
    files={"storage/sql/pretend_dialect.py": RECORD},
)
# What CONTRIBUTING.md names in "Where a new thing goes".
NAMED: Final = {
    "field": ["conditions/fields.py", f"{MIGRATIONS}/r999_nickname.py", "storage/schema/revisions.py"],
    "operator": [
        *("conditions/index/predicates.py", "conditions/operands.py", "conditions/python_compiler.py"),
        "conditions/tree.py",
        *("dialects/misar/words.py", "dialects/topmail/words.py", "storage/predicates/sql_compiler.py"),
    ],
    "database": ["storage/sql/databases.py", "storage/sql/pretend_dialect.py"],
    "dialect": ["dialects/acme/", "dialects/registry.py"],
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("addition", [FIELD, OPERATOR, DIALECT, DATABASE], ids=lambda addition: addition.name)
def test_an_addition_is_one_guess(addition: Addition, tmp_path: Path) -> None:
    """It works although nothing but the named files knows it."""
    assert addition.touched == NAMED[addition.name]
    failure = run_probe(addition, tmp_path)
    assert not failure, failure


@pytest.mark.parametrize("name", NAMED)
def test_the_page_for_contributors_names_each_file(name: str) -> None:
    """What an addition touches stands in the row of its kind."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| **{name}**"))
    for part in NAMED[name]:
        file = part.replace("misar/", "<vendor>/").replace("topmail/", "<vendor>/").replace("acme/", "")
        folder = file.rpartition("/")[0]
        assert any(f"`{each}`" in row for each in (file, f"{folder}/", f"{file.rpartition('/')[2]}")), part
