"""Queries and writes of contact rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, Table, Text, and_, bindparam, delete, insert, select, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.model.contacts import Contact, ListName
from diglot.model.pages import Window
from diglot.storage.contacts.rows import CONTACT_COLUMNS, contact_of, derive_attribute_columns, row_of
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.schema import contacts, events, list_members, lists
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant

T = TypeVar("T")
_c = contacts.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_BY_ID = Statement(select(*CONTACT_COLUMNS).where(_IN_WORKSPACE, _c.id == bindparam("id")))
_BY_EMAIL = Statement(select(*CONTACT_COLUMNS).where(_IN_WORKSPACE, _c.email == bindparam("email")))


def _select_by_emails(backend: Backend) -> ClauseElement:
    wanted = backend.one_of(_c.email, [], Text(), lambda _, kind: bindparam("emails", type_=kind))
    return pin_to_index(select(*CONTACT_COLUMNS), "email").where(_IN_WORKSPACE, wanted)


SELECT_BY_EMAILS = BackendStatement(_select_by_emails)


def _select_by_ids(backend: Backend) -> ClauseElement:
    wanted = backend.one_of(_c.id, [], Text(), lambda _, kind: bindparam("ids", type_=kind))
    return pin_to_index(select(*CONTACT_COLUMNS), "id").where(_IN_WORKSPACE, wanted)


SELECT_BY_IDS = BackendStatement(_select_by_ids)


def _select_by_keys(*columns: ColumnElement[Any]) -> Callable[[Backend], ClauseElement]:
    def build(backend: Backend) -> ClauseElement:
        wanted = backend.one_of(_c.pk, [], BigInteger(), lambda _, kind: bindparam("keys", type_=kind))
        return pin_to_index(select(*columns)).where(_IN_WORKSPACE, wanted).order_by(_c.pk.desc())

    return build


_BY_KEYS = BackendStatement(_select_by_keys(*CONTACT_COLUMNS))
_IDS_OF_KEYS = BackendStatement(_select_by_keys(_c.id))
_KEYS_AND_IDS = BackendStatement(_select_by_keys(_c.pk, _c.id))
_PAGE = Statement(
    pin_to_index(select(*CONTACT_COLUMNS))
    .where(_IN_WORKSPACE)
    .order_by(_c.pk.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_KEY_RANGE = Statement(
    pin_to_index(select(*CONTACT_COLUMNS))
    .where(_IN_WORKSPACE, _c.pk > bindparam("after"), _c.pk < bindparam("end"))
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)
_INSERT = Statement(insert(contacts))
_UPDATED_COLUMNS = [
    column.name for column in contacts.columns if column.name not in ("workspace", "pk", "id")
]
_UPDATE = Statement(
    update(contacts)
    .where(_c.workspace == bindparam("in_workspace"), _c.pk == bindparam("at_pk"))
    .values({name: bindparam(f"new_{name}") for name in _UPDATED_COLUMNS})
)


def _delete_by_keys(table: Table) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        gone = backend.one_of(table.c.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
        return delete(table).where(table.c.workspace == bindparam("workspace"), gone)

    return BackendStatement(build)


_DELETES = tuple(_delete_by_keys(table) for table in (list_members, events, contacts))
_LISTS_OF_CONTACT = Statement(
    select(lists.c.id, lists.c.name)
    .join(
        list_members, and_(list_members.c.workspace == lists.c.workspace, list_members.c.list == lists.c.list)
    )
    .where(list_members.c.workspace == bindparam("workspace"), list_members.c.pk == bindparam("pk"))
    .order_by(lists.c.list)
)
_DERIVED_COLUMNS = ("attributes_exact", "attributes_fold", "attributes_number", "attributes_instant")
_SELECT_ATTRIBUTES = Statement(
    select(_c.pk, _c.attributes)
    .where(_IN_WORKSPACE, _c.pk > bindparam("after"))
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)
_UPDATE_DERIVED = Statement(
    update(contacts)
    .where(_c.workspace == bindparam("in_workspace"), _c.pk == bindparam("at_pk"))
    .values({name: bindparam(f"new_{name}") for name in _DERIVED_COLUMNS})
)
_SLICE_LENGTH = 1_000
# A unit on PostgreSQL shares its thread with all requests, so other requests run between two parts.
_PART_LENGTH = 250


def split_into_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield a long sequence in parts that are short enough to be processed without a pause."""
    for start in range(0, len(items), _PART_LENGTH):
        yield items[start : start + _PART_LENGTH]


async def find_contact_by_id(tenant: Tenant, id_: str) -> Contact | None:
    """Return a contact by its UUID, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else contact_of(row)


async def find_contact_by_email(tenant: Tenant, email: str) -> Contact | None:
    """Return a contact by its address in stored form, or None."""
    row = await tenant.fetch_one(_BY_EMAIL, email=email)
    return None if row is None else contact_of(row)


async def find_contacts_by_email(tenant: Tenant, emails: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts with one of the addresses, by address."""
    rows = await tenant.fetch_all(SELECT_BY_EMAILS, emails=tenant.backend.encode_list(emails))
    return {contact.email: contact for contact in map(contact_of, rows)}


async def find_contacts_by_id(tenant: Tenant, ids: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts with one of the UUIDs, by UUID."""
    rows = await tenant.fetch_all(SELECT_BY_IDS, ids=tenant.backend.encode_list(ids))
    return {contact.id: contact for contact in map(contact_of, rows)}


async def load_contacts(tenant: Tenant, keys: Sequence[int]) -> list[Contact]:
    """Return the contacts with one of the dense keys, newest first."""
    return [contact_of(row) for row in await _load_rows(tenant, _BY_KEYS, keys)]


async def load_ids(tenant: Tenant, keys: Sequence[int]) -> list[str]:
    """Return the ids of the contacts with one of the dense keys, newest first."""
    return [row[0] for row in await _load_rows(tenant, _IDS_OF_KEYS, keys)]


async def load_ids_by_key(tenant: Tenant, keys: Sequence[int]) -> dict[int, str]:
    """Return the ids of the existing contacts with one of the dense keys, by key."""
    return {row[0]: row[1] for row in await _load_rows(tenant, _KEYS_AND_IDS, keys)}


async def _load_rows(tenant: Tenant, statement: BackendStatement, keys: Sequence[int]) -> Sequence[Row]:
    if not keys:
        return []
    return await tenant.fetch_all(statement, keys=tenant.backend.encode_list(keys))


async def load_contact_page(tenant: Tenant, window: Window) -> list[Contact]:
    """Return the contacts of a window, newest first."""
    rows = await tenant.fetch_all(_PAGE, limit=window.limit, offset=window.offset)
    return [contact_of(row) for row in rows]


async def load_key_range(tenant: Tenant, after: int, end: int, limit: int) -> list[Contact]:
    """Return the first contacts with keys between `after` and `end`, both excluded, oldest first."""
    return [contact_of(row) for row in await tenant.fetch_all(_KEY_RANGE, after=after, end=end, limit=limit)]


async def insert_contacts(tenant: Tenant, new: Sequence[Contact], zone: ZoneInfo) -> None:
    """Insert new contacts."""
    for part in split_into_parts(new):
        await tenant.execute_many(_INSERT, (row_of(contact, zone) for contact in part))


async def update_contacts(tenant: Tenant, changed: Sequence[Contact], zone: ZoneInfo) -> None:
    """Update every column of existing contacts except their keys."""
    for part in split_into_parts(changed):
        values = []
        for contact in part:
            row = row_of(contact, zone)
            new = {f"new_{name}": row[name] for name in _UPDATED_COLUMNS}
            values.append(new | {"at_pk": contact.pk})
        await tenant.execute_many(_UPDATE, values)


async def delete_contacts(tenant: Tenant, pks: Sequence[int]) -> None:
    """Delete contacts, their list memberships and their events."""
    gone = tenant.backend.encode_list(pks)
    for statement in _DELETES:
        await tenant.execute(statement, pks=gone)


async def load_lists_of(tenant: Tenant, pk: int) -> list[ListName]:
    """Return the static lists that contain a contact."""
    rows = await tenant.fetch_all(_LISTS_OF_CONTACT, pk=pk)
    return [ListName(id_, name) for id_, name in rows]


async def rederive_attributes(tenant: Tenant, zone: ZoneInfo) -> None:
    """Recompute the columns that depend on the time zone, for every contact of a workspace."""
    after = 0
    while rows := await tenant.fetch_all(_SELECT_ATTRIBUTES, after=after, limit=_SLICE_LENGTH):
        values = []
        for pk, attributes in rows:
            derived = derive_attribute_columns(attributes, zone)
            new = {f"new_{name}": value for name, value in derived.items()}
            values.append(new | {"at_pk": pk})
        await tenant.execute_many(_UPDATE_DERIVED, values)
        after = rows[-1][0]
