"""Rows of contacts."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from diglot.model.contacts import Contact, ListName
from diglot.model.pages import Window
from diglot.storage.contacts.rows import SHOWN, attribute_columns, contact_of, row_of
from diglot.storage.contacts.scans import pinned
from diglot.storage.schema import contacts, events, list_members, lists
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Row, Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

T = TypeVar("T")
_c = contacts.c
_HERE = _c.workspace == bindparam("workspace")
_BY_ID = Statement(select(*SHOWN).where(_HERE, _c.id == bindparam("id")))
_BY_EMAIL = Statement(select(*SHOWN).where(_HERE, _c.email == bindparam("email")))


def _by_emails(backend: Backend) -> ClauseElement:
    wanted = backend.is_any(_c.email, [], Text(), lambda _, kind: bindparam("emails", type_=kind))
    return pinned(select(*SHOWN), "email").where(_HERE, wanted)


BY_EMAILS = BackendStatement(_by_emails)


def _by_ids(backend: Backend) -> ClauseElement:
    wanted = backend.is_any(_c.id, [], Text(), lambda _, kind: bindparam("ids", type_=kind))
    return pinned(select(*SHOWN), "id").where(_HERE, wanted)


BY_IDS = BackendStatement(_by_ids)


def _of_keys(*columns: ColumnElement[Any]) -> Callable[[Backend], ClauseElement]:
    def build(backend: Backend) -> ClauseElement:
        wanted = backend.is_any(_c.pk, [], BigInteger(), lambda _, kind: bindparam("keys", type_=kind))
        return pinned(select(*columns)).where(_HERE, wanted).order_by(_c.pk.desc())

    return build


_BY_KEYS = BackendStatement(_of_keys(*SHOWN))
_IDS_OF_KEYS = BackendStatement(_of_keys(_c.id))
_NAMED_KEYS = BackendStatement(_of_keys(_c.pk, _c.id))
_PAGE = Statement(
    pinned(select(*SHOWN))
    .where(_HERE)
    .order_by(_c.pk.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_BETWEEN = Statement(
    pinned(select(*SHOWN))
    .where(_HERE, _c.pk > bindparam("after"), _c.pk < bindparam("end"))
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)
_INSERT = Statement(insert(contacts))
_CHANGED = [column.name for column in contacts.columns if column.name not in ("workspace", "pk", "id")]
_UPDATE = Statement(
    update(contacts)
    .where(_c.workspace == bindparam("in_workspace"), _c.pk == bindparam("at_pk"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGED})
)


def _delete(table: Table) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        gone = backend.is_any(table.c.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
        return delete(table).where(table.c.workspace == bindparam("workspace"), gone)

    return BackendStatement(build)


_DELETES = tuple(_delete(table) for table in (list_members, events, contacts))
_LISTS = Statement(
    select(lists.c.id, lists.c.name)
    .join(
        list_members, and_(list_members.c.workspace == lists.c.workspace, list_members.c.list == lists.c.list)
    )
    .where(list_members.c.workspace == bindparam("workspace"), list_members.c.pk == bindparam("pk"))
    .order_by(lists.c.list)
)
_DERIVED = ("attributes_exact", "attributes_fold", "attributes_number", "attributes_instant")
_SLICE = Statement(
    select(_c.pk, _c.attributes)
    .where(_HERE, _c.pk > bindparam("after"))
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)
_REDERIVE = Statement(
    update(contacts)
    .where(_c.workspace == bindparam("in_workspace"), _c.pk == bindparam("at_pk"))
    .values({name: bindparam(f"new_{name}") for name in _DERIVED})
)
_SLICE_LENGTH = 1_000
# A unit on PostgreSQL shares its thread with all requests: between two parts others have their turn.
_PART_LENGTH = 250


def parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield a long sequence in parts, each short enough to be worked through at once."""
    for start in range(0, len(items), _PART_LENGTH):
        yield items[start : start + _PART_LENGTH]


async def by_id(transaction: Transaction, workspace: int, id_: str) -> Contact | None:
    """Return a contact by its UUID."""
    row = await transaction.row(_BY_ID, {"workspace": workspace, "id": id_})
    return None if row is None else contact_of(row)


async def by_email(transaction: Transaction, workspace: int, email: str) -> Contact | None:
    """Return a contact by its address in stored form."""
    row = await transaction.row(_BY_EMAIL, {"workspace": workspace, "email": email})
    return None if row is None else contact_of(row)


async def by_emails(transaction: Transaction, workspace: int, emails: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts that have one of the addresses, by address."""
    values = {"workspace": workspace, "emails": transaction.backend.encode_list(emails)}
    found = map(contact_of, await transaction.rows(BY_EMAILS, values))
    return {contact.email: contact for contact in found}


async def by_ids(transaction: Transaction, workspace: int, ids: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts that have one of the UUIDs, by UUID."""
    values = {"workspace": workspace, "ids": transaction.backend.encode_list(ids)}
    found = map(contact_of, await transaction.rows(BY_IDS, values))
    return {contact.id: contact for contact in found}


async def by_keys(transaction: Transaction, workspace: int, keys: Sequence[int]) -> list[Contact]:
    """Return the contacts of dense keys, newest first."""
    return [contact_of(row) for row in await _rows_of_keys(transaction, _BY_KEYS, workspace, keys)]


async def ids_of_keys(transaction: Transaction, workspace: int, keys: Sequence[int]) -> list[str]:
    """Return the ids of the contacts of dense keys, newest first."""
    return [row[0] for row in await _rows_of_keys(transaction, _IDS_OF_KEYS, workspace, keys)]


async def ids_by_key(transaction: Transaction, workspace: int, keys: Sequence[int]) -> dict[int, str]:
    """Return the ids of those contacts of dense keys that are there, by key."""
    return {row[0]: row[1] for row in await _rows_of_keys(transaction, _NAMED_KEYS, workspace, keys)}


async def _rows_of_keys(
    transaction: Transaction, statement: BackendStatement, workspace: int, keys: Sequence[int]
) -> Sequence[Row]:
    if not keys:
        return []
    values = {"workspace": workspace, "keys": transaction.backend.encode_list(keys)}
    return await transaction.rows(statement, values)


async def page(transaction: Transaction, workspace: int, window: Window) -> list[Contact]:
    """Return the contacts of a window, newest first."""
    values = {"workspace": workspace, "limit": window.limit, "offset": window.offset}
    return [contact_of(row) for row in await transaction.rows(_PAGE, values)]


async def between(
    transaction: Transaction, workspace: int, after: int, end: int, limit: int
) -> list[Contact]:
    """Return the first contacts after a key and before another, oldest first."""
    values = {"workspace": workspace, "after": after, "end": end, "limit": limit}
    return [contact_of(row) for row in await transaction.rows(_BETWEEN, values)]


async def insert_all(
    transaction: Transaction, workspace: int, new: Sequence[Contact], zone: ZoneInfo
) -> None:
    """Insert new contacts."""
    for part in parts(new):
        await transaction.run_many(_INSERT, [row_of(workspace, contact, zone) for contact in part])


async def update_all(
    transaction: Transaction, workspace: int, changed: Sequence[Contact], zone: ZoneInfo
) -> None:
    """Write contacts that exist, every column but their keys."""
    for part in parts(changed):
        values = []
        for contact in part:
            row = row_of(workspace, contact, zone)
            new = {f"new_{name}": row[name] for name in _CHANGED}
            values.append(new | {"in_workspace": workspace, "at_pk": contact.pk})
        await transaction.run_many(_UPDATE, values)


async def remove_all(transaction: Transaction, workspace: int, pks: Sequence[int]) -> None:
    """Delete contacts, their places in lists, and their events."""
    values = {"workspace": workspace, "pks": transaction.backend.encode_list(pks)}
    for statement in _DELETES:
        await transaction.run(statement, values)


async def lists_of(transaction: Transaction, workspace: int, pk: int) -> list[ListName]:
    """Return the lists that a contact is on."""
    rows = await transaction.rows(_LISTS, {"workspace": workspace, "pk": pk})
    return [ListName(id_, name) for id_, name in rows]


async def rederive(transaction: Transaction, workspace: int, zone: ZoneInfo) -> None:
    """Write what depends on the time zone again, for every contact of a workspace."""
    after = 0
    while rows := await transaction.rows(
        _SLICE, {"workspace": workspace, "after": after, "limit": _SLICE_LENGTH}
    ):
        values = []
        for pk, attributes in rows:
            derived = attribute_columns(attributes, zone)
            new = {f"new_{name}": value for name, value in derived.items()}
            values.append(new | {"in_workspace": workspace, "at_pk": pk})
        await transaction.run_many(_REDERIVE, values)
        after = rows[-1][0]
