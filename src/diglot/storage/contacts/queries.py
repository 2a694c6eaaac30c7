"""Queries and writes of contact rows."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions.addresses import list_stored_forms
from diglot.model.contacts import Contact, ListName
from diglot.model.pages import Window
from diglot.storage import bulk
from diglot.storage.contacts.rows import (
    CONTACT_COLUMNS,
    ROW_COLUMNS,
    contact_of,
    find_changed_parts,
    row_of,
    update_of,
)
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.schema import contacts, event_states, events, list_members, lists
from diglot.storage.slices import compute_in_slices
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant

_c = contacts.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_BY_ID = Statement(select(*CONTACT_COLUMNS).where(_IN_WORKSPACE, _c.id == bindparam("id")))
_BY_EMAIL = Statement(select(*CONTACT_COLUMNS).where(_IN_WORKSPACE, _c.email == bindparam("email")))
_BY_ID_OR_EMAIL = Statement(
    union_all(
        select(*CONTACT_COLUMNS).where(_IN_WORKSPACE, _c.id == bindparam("id")),
        select(*CONTACT_COLUMNS).where(
            _IN_WORKSPACE, _c.email == bindparam("email"), _c.id != bindparam("id")
        ),
    )
)


_COUNT: Final = "count_of_values"


def _look_up(column: Column[Any]) -> Callable[[Backend], ClauseElement]:
    """Return the select of contacts by one of the bound values of a unique column.

    PostgreSQL looks up each value by itself, and does not plan for their number. It would rather read a whole
    workspace that it has not analyzed yet for every part of an import. `_look_up_all` executes it.
    """

    def build(backend: Backend) -> ClauseElement:
        name = f"row_{column.name}"
        if backend.rows_from_arrays is None:
            wanted = backend.one_of(column, [], Text(), lambda _, kind: bindparam(name, type_=kind))
            return pin_to_index(select(*CONTACT_COLUMNS), column.name).where(_IN_WORKSPACE, wanted)
        rows = backend.rows_from_arrays([column])
        sent = select(*rows.c).limit(bindparam(_COUNT)).subquery("sent")
        found = select(*CONTACT_COLUMNS).where(_IN_WORKSPACE, column == sent.c[column.name]).limit(1)
        contact = found.lateral("contact")
        return select(*contact.c).select_from(sent.join(contact, true()))

    return build


# For fewer values two more statements cost too much.
_FEW_VALUES: Final = 8
SELECT_BY_EMAILS = BackendStatement(_look_up(_c.email))
SELECT_BY_IDS = BackendStatement(_look_up(_c.id))


def select_by_keys(*columns: ColumnElement[Any]) -> Callable[[Backend], Select[Any]]:
    """Return the select of columns of the contacts with one of the bound `keys`, newest first."""

    def build(backend: Backend) -> Select[Any]:
        wanted = backend.one_of(_c.pk, [], BigInteger(), lambda _, kind: bindparam("keys", type_=kind))
        return pin_to_index(select(*columns)).where(_IN_WORKSPACE, wanted).order_by(_c.pk.desc())

    return build


_BY_KEYS = BackendStatement(select_by_keys(*CONTACT_COLUMNS))
_IDS_OF_KEYS = BackendStatement(select_by_keys(_c.id))
_KEYS_AND_IDS = BackendStatement(select_by_keys(_c.pk, _c.id))


def _select_joined_ids(backend: Backend) -> ClauseElement:
    # The limit keeps the order of the subquery.
    found = select_by_keys(_c.pk, _c.id)(backend).limit(bindparam("limit")).subquery()
    return select(func.count(), backend.join_texts(found.c.id))


_JOINED_IDS = BackendStatement(_select_joined_ids)
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
_INSERT = bulk.build_insert(contacts, order=ROW_COLUMNS)
_UPDATE = bulk.build_replace(contacts, ROW_COLUMNS[2:], order=ROW_COLUMNS)


def _delete_by_keys(table: Table) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        gone = backend.one_of(table.c.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
        return delete(table).where(table.c.workspace == bindparam("workspace"), gone)

    return BackendStatement(build)


_DELETES = tuple(_delete_by_keys(table) for table in (list_members, events, event_states, contacts))
_LISTS_OF_CONTACT = Statement(
    select(lists.c.id, lists.c.name)
    .join(
        list_members,
        and_(list_members.c.workspace == bindparam("workspace"), list_members.c.list == lists.c.list),
    )
    .where(lists.c.workspace == bindparam("workspace"), list_members.c.pk == bindparam("pk"))
    .order_by(lists.c.list)
)


async def find_contact_by_id(tenant: Tenant, id_: str) -> Contact | None:
    """Return a contact by its UUID, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else contact_of(row)


async def find_contact_by_email(tenant: Tenant, email: str) -> Contact | None:
    """Return a contact by its address in compared form, or None; one in the earlier form only if no other."""
    for form in list_stored_forms(email):
        if (row := await tenant.fetch_one(_BY_EMAIL, email=form)) is not None:
            return contact_of(row)
    return None


async def find_contact_and_holder(
    tenant: Tenant, id_: str, email: str
) -> tuple[Contact | None, Contact | None]:
    """Return a contact by its UUID and another one that has an address in either form, each or None."""
    found: dict[str, Contact] = {}
    for form in list_stored_forms(email):
        rows = await tenant.fetch_all(_BY_ID_OR_EMAIL, id=id_, email=form)
        found |= {contact.id: contact for contact in map(contact_of, rows)}
    contact = found.pop(id_, None)
    return contact, next(iter(found.values()), None)


async def find_contacts_by_email(tenant: Tenant, emails: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts with one of the addresses, by its compared form; see `find_contact_by_email`."""
    found = await find_contacts_by_stored_email(tenant, emails)
    earlier = {form: email for email in emails if email not in found for form in list_stored_forms(email)[1:]}
    if earlier:
        others = await find_contacts_by_stored_email(tenant, list(earlier))
        found |= {earlier[form]: contact for form, contact in others.items()}
    return found


async def find_contacts_by_stored_email(tenant: Tenant, emails: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts with one of the addresses exactly as they are stored, by address."""
    rows = await _look_up_all(tenant, SELECT_BY_EMAILS, "row_email", emails)
    return {contact.email: contact for contact in map(contact_of, rows)}


async def find_contacts_by_id(tenant: Tenant, ids: Sequence[str]) -> dict[str, Contact]:
    """Return the contacts with one of the UUIDs, by UUID."""
    rows = await _look_up_all(tenant, SELECT_BY_IDS, "row_id", ids)
    return {contact.id: contact for contact in map(contact_of, rows)}


async def _look_up_all(
    tenant: Tenant, statement: BackendStatement, name: str, values: Sequence[str]
) -> Sequence[Row]:
    """Return the rows of unique values.

    PostgreSQL would keep a plan from the time when the table was small, which reads all of it for each value:
    an import of 10,000 contacts took 53 s in place of 4 s. A plan made anew would read all of a workspace
    that has no statistics yet: 46 s in place of 0.3 s.
    """
    bound = {name: tenant.backend.encode_list(values), _COUNT: len(values)}
    planning = tenant.backend.plan_by_index
    if planning is None or len(values) <= _FEW_VALUES:
        return await tenant.fetch_all(statement, **bound)
    begin, end = map(Statement, planning)
    await tenant.execute(begin)
    rows = await tenant.fetch_all(statement, **bound)
    await tenant.execute(end)
    return rows


async def load_contacts(tenant: Tenant, keys: Sequence[int]) -> list[Contact]:
    """Return the contacts with one of the dense keys, newest first."""
    return [contact_of(row) for row in await _load_rows(tenant, _BY_KEYS, keys)]


async def load_ids(tenant: Tenant, keys: Sequence[int]) -> list[str]:
    """Return the ids of the contacts with one of the dense keys, newest first."""
    return [row[0] for row in await _load_rows(tenant, _IDS_OF_KEYS, keys)]


async def load_ids_by_key(tenant: Tenant, keys: Sequence[int]) -> dict[int, str]:
    """Return the ids of the existing contacts with one of the dense keys, by key."""
    return {row[0]: row[1] for row in await _load_rows(tenant, _KEYS_AND_IDS, keys)}


async def load_all_ids(tenant: Tenant, keys: Sequence[int]) -> list[str] | None:
    """Return the ids of the contacts with the dense keys, newest first; None if one does not exist.

    They come as one text, because SQLite's driver gives up the interpreter lock for each row, and every busy
    thread would then take it for 5 ms.
    """
    row = await tenant.fetch_one(_JOINED_IDS, keys=tenant.backend.encode_list(keys), limit=len(keys))
    return row[1].split(",") if row is not None and row[0] == len(keys) > 0 else None


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
    async for rows in compute_in_slices(tenant, new, partial(_build_rows, zone)):
        await _INSERT.execute_ordered(tenant, rows)


async def update_contacts(tenant: Tenant, changed: Sequence[tuple[Contact, Contact]], zone: ZoneInfo) -> None:
    """Update existing contacts, each given as it is stored and as it has to be.

    Of one contact only the changed parts are sent: the documents of attributes are most of a row, and SQLite
    writes the index of addresses whenever a statement names the address.
    """
    if len(changed) == 1:
        ((before, after),) = changed
        if parts := find_changed_parts(before, after):
            values = (value for part in parts for value in part.build(after, zone))
            await update_of(parts).execute_ordered(tenant, [(after.pk, *values)])
        return
    async for rows in compute_in_slices(tenant, [after for _, after in changed], partial(_build_rows, zone)):
        await _UPDATE.execute_ordered(tenant, rows)


def _build_rows(zone: ZoneInfo, written: Sequence[Contact]) -> list[tuple[Any, ...]]:
    return [row_of(contact, zone) for contact in written]


async def delete_contacts(tenant: Tenant, pks: Sequence[int]) -> None:
    """Delete contacts, their list memberships, and their events with what these add up to."""
    gone = tenant.backend.encode_list(pks)
    for statement in _DELETES:
        await tenant.execute(statement, pks=gone)


async def load_lists_of(tenant: Tenant, pk: int) -> list[ListName]:
    """Return the static lists that contain a contact."""
    rows = await tenant.fetch_all(_LISTS_OF_CONTACT, pk=pk)
    return [ListName(id_, name) for id_, name in rows]
