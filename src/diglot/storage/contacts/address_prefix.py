"""Contacts whose address begins with a text, by the index of addresses.

The index is that of the unique addresses: the address, then the workspace. So a search reads the addresses of
all workspaces of the database that begin with the text, in the index alone, and the rows of its own. Nobody
looks for a text in the middle of an address here: that is a scan (see `api/input/search.py`).
"""

from typing import Final

from sqlalchemy import bindparam, select

from diglot.conditions.addresses import normalize_address
from diglot.model.contacts import Contact
from diglot.model.pages import Window
from diglot.storage.contacts.rows import CONTACT_COLUMNS, contact_of
from diglot.storage.contacts.scans import in_workspace, pin_to_index
from diglot.storage.schema import contacts
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c = contacts.c
# Addresses are compared by code point, and none holds this one.
_LAST_CODE_POINT: Final = "\U0010ffff"
PAGE_BY_PREFIX: Final = Statement(
    pin_to_index(select(*CONTACT_COLUMNS), "email")
    .where(in_workspace(), _c.email >= bindparam("prefix"), _c.email < bindparam("end"))
    .order_by(_c.email)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


async def load_page(tenant: Tenant, prefix: str, window: Window) -> list[Contact]:
    """Return a window of the contacts whose address begins with a text, in any case, by address."""
    begin = normalize_address(prefix)
    rows = await tenant.fetch_all(
        PAGE_BY_PREFIX,
        prefix=begin,
        end=begin + _LAST_CODE_POINT,
        limit=window.limit,
        offset=window.offset,
    )
    return [contact_of(row) for row in rows]
