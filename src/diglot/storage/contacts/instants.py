"""Reads the instants that contacts hold in one field, core or custom, in pages by key."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, bindparam, select

from diglot.conditions.fields import STORED_FIELDS, FieldKind, attribute_key
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.predicates.attributes import compile_attribute_instant
from diglot.storage.predicates.binder import Binder
from diglot.storage.predicates.token_documents import decode_integer
from diglot.storage.schema import contacts
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.statement import ShapedStatement, Statement
from diglot.storage.tenant import Tenant

ROWS_PER_PAGE: Final = 5_000
_c = contacts.c
# Pages of the key of a contact and its instant, in microseconds.
InstantPages = AsyncIterator[list[tuple[int, int]]]


def _select_page(value: Expression, present: Expression) -> Select[Any]:
    return (
        pin_to_index(select(_c.pk, value))
        .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"), present)
        .order_by(_c.pk)
        .limit(bindparam("limit"))
    )


CORE_FIELDS: Final = tuple(field.name for field in STORED_FIELDS if field.kind is FieldKind.INSTANT)
_CORE_PAGES: Final = {name: Statement(_select_page(_c[name], _c[name].is_not(None))) for name in CORE_FIELDS}


async def iterate_instants(tenant: Tenant, field: str, zone: ZoneInfo) -> InstantPages:
    """Yield pages of the instants that contacts hold in a core field or a custom attribute."""
    statement, values, decode = _prepare_pages(tenant, field, zone)
    after = 0
    while True:
        rows = await tenant.fetch_all(statement, **values, after=after, limit=ROWS_PER_PAGE)
        yield [(pk, decode(value)) for pk, value in rows]
        if len(rows) < ROWS_PER_PAGE:
            return
        after = rows[-1][0]


def _prepare_pages(
    tenant: Tenant, field: str, zone: ZoneInfo
) -> tuple[Statement | ShapedStatement, Mapping[str, Any], Callable[[Any], int]]:
    """Return the statement of a page, its values, and what decodes an instant."""
    key = attribute_key(field)
    if key is None:
        return _CORE_PAGES[field], {}, int
    binder = Binder(tenant.backend, 0, zone)
    present, digits = compile_attribute_instant(key, binder)
    statement = ShapedStatement(tenant.backend.compile(_select_page(digits, present)), binder.values)
    return statement, binder.values, decode_integer
