"""Statements for many rows: of one workspace each, and one statement for all rows where each costs a trip."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import combinations
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from msgspec.structs import replace as replace_fields
from sqlalchemy import BigInteger, Column, select

from diglot.model.contacts import Contact
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.storage import bulk, row_order
from diglot.storage.contacts import queries, rows
from diglot.storage.schema import contacts, field_instants, tags
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.postgresql_dialect import encode_sent_columns
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant, bind_workspace
from support.populations import contact
from support.reporting import SEED
from support.statements import recording

UTC = ZoneInfo("UTC")
DATES = dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
each_count = pytest.mark.parametrize("count", [1, 2, 20, 120])
INSERT = bulk.build_insert(field_instants)
# Those of an instant beside its workspace.
COLUMNS = 3
DELETE = bulk.build_delete(field_instants, ("field", "instant", "pk"))
INSERT_TAGS = bulk.build_insert(tags)
UPSERT_TAGS = bulk.build_insert(tags, replaced=("color",))
ADD = bulk.build_update(
    tags,
    ("tag",),
    [Column("more", BigInteger)],
    {"contact_count": lambda sent: tags.c.contact_count + sent["more"]},
)
ALL_INSTANTS = Statement(
    select(field_instants.c.workspace, field_instants.c.pk).order_by(*field_instants.primary_key.columns)
)
ALL_TAGS = Statement(
    select(tags.c.workspace, tags.c.tag, tags.c.color, tags.c.contact_count).order_by(
        *tags.primary_key.columns
    )
)


@pytest_asyncio.fixture
async def workspaces(engine: Engine) -> AsyncIterator[tuple[int, int]]:
    """Lend two workspaces."""
    one = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", 0))
    two = await engine.write(lambda tx: get_or_create_workspace(tx, "two", "UTC", 0))
    yield one.number, two.number


async def write(engine: Engine, workspace: int, work: Callable[[Tenant], Awaitable[None]]) -> list[str]:
    """Run a function on a workspace; return the statements that it ran."""
    with recording() as statements:
        await engine.write(bind_workspace(workspace, work))
    return statements


async def rows_of(engine: Engine, statement: Statement) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await engine.read(lambda tx: tx.fetch_all(statement))]


def instants(count: int) -> list[dict[str, Any]]:
    return [{"field": "created_at", "instant": 7 + number, "pk": number} for number in range(count)]


def tag_rows(count: int, color: str = "red") -> list[dict[str, Any]]:
    row = {"description": None, "contact_count": 1, "created_at": 0, "updated_at": 0, "color": color}
    texts = ("id", "name", "name_exact", "name_fold")
    return [row | {"tag": number} | dict.fromkeys(texts, f"t{number}") for number in range(count)]


@each_count
async def test_rows_are_written_in_their_workspace(
    engine: Engine, workspaces: tuple[int, int], count: int
) -> None:
    """Equal rows of another workspace neither hinder an insert nor are deleted.

    SQLite gets some rows with one statement, and the rest one by one with another.
    """
    one, two = workspaces
    has_rest = engine.backend is SQLITE and count > bulk.VALUES_OF_A_STATEMENT // COLUMNS
    for workspace in workspaces:
        statements = await write(engine, workspace, lambda tenant: INSERT.execute(tenant, instants(count)))
        assert len(statements) == 1 + has_rest
    both = [(workspace, number) for workspace in workspaces for number in range(count)]
    assert await rows_of(engine, ALL_INSTANTS) == both
    gone = [*instants(count), {"field": "created_at", "instant": 7, "pk": 1000}]
    await write(engine, two, lambda tenant: DELETE.execute(tenant, gone))
    assert await rows_of(engine, ALL_INSTANTS) == [(one, number) for number in range(count)]


async def test_many_rows_are_compiled_off_the_loop(
    engine: Engine, workspaces: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form of a statement that an import meets first does not stop other requests."""
    threads: set[int] = set()
    compile_for = BackendStatement.sql_for

    def note(statement: BackendStatement, backend: Backend) -> Sql:
        if not statement.is_compiled(backend):
            threads.add(threading.get_ident())
        return compile_for(statement, backend)

    monkeypatch.setattr(BackendStatement, "sql_for", note)
    insert = bulk.build_insert(field_instants)
    await write(engine, workspaces[0], lambda tenant: insert.execute(tenant, instants(120)))
    assert threading.get_ident() not in threads
    assert len(await rows_of(engine, ALL_INSTANTS)) == 120


@each_count
async def test_rows_are_updated_in_their_workspace(
    engine: Engine, workspaces: tuple[int, int], count: int
) -> None:
    """Each row gets its own value; rows with equal keys of another workspace keep theirs."""
    one, two = workspaces
    for workspace in workspaces:
        await write(engine, workspace, lambda tenant: INSERT_TAGS.execute(tenant, tag_rows(count)))
    more = [{"tag": number, "more": number} for number in range(count)]
    await write(engine, one, lambda tenant: ADD.execute(tenant, [*more, {"tag": 1000, "more": 1}]))
    await write(engine, two, lambda tenant: UPSERT_TAGS.execute(tenant, tag_rows(count + 1, "blue")))
    assert await rows_of(engine, ALL_TAGS) == [
        *((one, number, "red", 1 + number) for number in range(count)),
        *((two, number, "blue", 1) for number in range(count + 1)),
    ]


@each_count
async def test_contacts_are_replaced(engine: Engine, workspaces: tuple[int, int], count: int) -> None:
    """An update stores every column but the keys, in its workspace alone."""
    one, two = workspaces
    old = [contact(DATES | {"email": f"a{pk}@example.com"}, pk) for pk in range(1, count + 1)]
    for workspace in workspaces:
        await write(engine, workspace, lambda tenant: queries.insert_contacts(tenant, old, UTC))
    new = [
        replace_fields(
            contact(DATES | {"email": f"b{each.pk}@example.com", "tags": ["x"]}, each.pk), id=each.id
        )
        for each in old
    ]
    changed = list(zip(old, new, strict=True))
    await write(engine, two, lambda tenant: queries.update_contacts(tenant, changed, UTC))
    loaded = [
        await engine.read(bind_workspace(one, load_all)),
        await engine.read(bind_workspace(two, load_all)),
    ]
    assert loaded == [old, new]


# A change of each part of a row: numbers, texts, tags and attributes.
CHANGES: dict[str, Any] = {
    "total_opens": 7,
    "first_name": "E\u0301va",
    "tags": '["x"]',
    "attributes": '{"plan":"Pro","seen":"2026-01-01"}',
}


async def test_changed_parts_are_stored(engine: Engine, workspaces: tuple[int, int]) -> None:
    """The update of one contact has the changed parts of its row, and leaves what a new row would have."""
    found = Statement(select(*(contacts.c[name] for name in rows.ROW_COLUMNS)))
    subsets = [dict(some) for size in range(5) for some in combinations(CHANGES.items(), size)]
    for pk, change in enumerate(subsets, 1):
        old = contact(DATES | {"email": f"a{pk}@example.com"}, pk)
        new = replace_fields(old, **change)
        await write(engine, workspaces[0], partial(queries.insert_contacts, new=[old], zone=UTC))
        sent = await write(
            engine, workspaces[0], partial(queries.update_contacts, changed=[(old, new)], zone=UTC)
        )
        assert len(sent) == bool(change)
        assert all(("attributes" in text) == ("attributes" in change) for text in sent)
        assert all(("email_fold" in text) == ("first_name" in change) for text in sent)
        (stored,) = [row for row in await rows_of(engine, found) if row[0] == pk]
        assert stored == rows.row_of(new, UTC)


async def load_all(tenant: Tenant) -> list[Contact]:
    return await queries.load_key_range(tenant, 0, 1_000, 1_000)


async def test_no_rows_cost_no_statement(engine: Engine, workspaces: tuple[int, int]) -> None:
    """A caller need not look whether it has any."""
    assert await write(engine, workspaces[0], lambda tenant: INSERT.execute(tenant, [])) == []


# What texts are made of: marks that separate the texts of a column on their way to PostgreSQL, and others.
PIECES = [
    "",
    "a",
    "é",
    " ",
    "\x01",
    "\x02",
    "\x03",
    "\x04",
    "\x01\x02",
    "NULL",
    "{}",
    '"',
    "\\",
    ",",
    "\n",
    "💌",
]


def texts_of(rng: Random, count: int) -> list[str | None]:
    """Return a column: of one value, of few that differ, or of many."""
    kind, one = rng.random(), rng.choice([None, *PIECES])
    if kind < 0.4:
        return [one] * count
    if kind < 0.6:
        return [rng.choice([one, one, one, None, *PIECES]) for _ in range(count)]
    return ["".join(rng.choices(PIECES, k=rng.randrange(4))) for _ in range(count)]


async def test_all_values_are_stored_as_they_are(
    engine: Engine, workspaces: tuple[int, int], pytestconfig: pytest.Config
) -> None:
    """Whatever the columns share, and whatever marks their texts contain, each row keeps its own values."""
    rng = Random(pytestconfig.stash[SEED])
    first = 1
    for _ in range(60):
        count = rng.choice([2, 3, 99, 100, 130])
        names = ("first_name", "last_name", "phone", "company", "job_title", "source", "last_opened_at")
        opened: list[Any] = rng.choice([[None] * count, [7] * count, rng.choices([None, 7], k=count)])
        columns = [*(texts_of(rng, count) for _ in names[1:]), opened]
        made = [
            replace_fields(
                contact(DATES | {"email": f"a{pk}@example.com"}, pk), **dict(zip(names, values, strict=True))
            )
            for pk, values in enumerate(zip(*columns, strict=True), first)
        ]
        write_all = rng.choice([queries.insert_contacts, replaced])
        await write(engine, workspaces[0], partial(write_all, new=made, zone=UTC))
        found = await engine.read(
            bind_workspace(
                workspaces[0], partial(queries.load_key_range, after=first - 1, end=2**40, limit=500)
            )
        )
        assert found == made, f"--random-seed {pytestconfig.stash[SEED]}"
        first += count


async def replaced(tenant: Tenant, new: list[Contact], zone: ZoneInfo) -> None:
    """Insert other contacts with the same keys and ids, and update every column of them."""
    blank = [contact(DATES | {"email": f"b{each.pk}@example.com"}, each.pk) for each in new]
    old = [replace_fields(one, id=each.id) for one, each in zip(blank, new, strict=True)]
    await queries.insert_contacts(tenant, old, zone)
    await queries.update_contacts(tenant, list(zip(old, new, strict=True)), zone)


def test_a_statement_has_few_forms() -> None:
    """When there are too many, a known form is taken, for fewer shared columns than the rows have."""
    columns = [*tags.c]
    forms = row_order.Forms(lambda _, shared: sorted(one.name for one in shared))
    for number in range(1, row_order._MOST_FORMS + 1):
        wanted = frozenset(one for place, one in enumerate(columns) if number >> place & 1)
        assert forms.find(SQLITE, wanted) == (sorted(one.name for one in wanted), wanted)
    form, shared = forms.find(SQLITE, frozenset(columns))
    assert form == sorted(one.name for one in shared)
    assert len(shared) == 5
    assert forms.find(SQLITE, frozenset()) == ([], frozenset())


def test_marks_in_texts() -> None:
    """Marks that no text contains separate the texts and stand for null."""
    column, other = tags.c.name, tags.c.description
    bound = encode_sent_columns({column: ["a", ""], other: [None, "b"]})
    assert bound == {
        "row_name": "a\x01",
        "row_description": "\x02\x01b",
        "sent_separator": "\x01",
        "sent_null": "\x02",
    }
    bound = encode_sent_columns({column: ["a\x01", "\x04"], other: [None, "\x02"]})
    separator, nothing = bound["sent_separator"], bound["sent_null"]
    assert len(separator) > 30
    assert bound["row_name"] == f"a\x01{separator}\x04"
    assert bound["row_description"] == f"{nothing}{separator}\x02"


async def test_null_equals_nothing(engine: Engine, workspaces: tuple[int, int]) -> None:
    """Rows are found by a key that is null in all of them as little as by one that is null in some."""
    rows = tag_rows(bulk._MANY)
    await write(engine, workspaces[0], lambda tenant: INSERT_TAGS.execute(tenant, rows))
    by_description = bulk.build_delete(tags, ("tag", "description"))
    for keys in (rows, [row | {"description": "x"} for row in rows[:50]] + rows[50:]):
        await write(engine, workspaces[0], partial(by_description.execute, rows=keys))
        assert len(await rows_of(engine, ALL_TAGS)) == len(rows)
