"""Finds contacts with values that a write would refuse now or store otherwise (semantics 23, 24, 27).

Earlier versions accepted them. They stay readable, and an operator decides what becomes of them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, select

from diglot.clock import is_in_future
from diglot.conditions.addresses import find_address_fault, normalize_address
from diglot.conditions.fields import STORED_FIELDS, FieldKind
from diglot.conditions.text import normalize_name
from diglot.model.contacts import Contact
from diglot.storage.contacts.queries import find_contact_by_email
from diglot.storage.contacts.rows import CONTACT_COLUMNS, contact_of
from diglot.storage.schema import contacts
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_CONTACTS_PER_READ: Final = 2_000
# So many contacts of a kind are named.
MAX_NAMED: Final = 5
SHARED_ADDRESS: Final = "the address of another contact, in another spelling"
REFUSED_ADDRESS: Final = "an address that is refused now"
OTHER_TAGS: Final = "tags that are not in normal form C, or have white space at their ends"
OTHER_KEYS: Final = "attribute keys that are not in normal form C, or have white space at their ends"
FUTURE: Final = "a time in the future"
_INSTANTS: Final = tuple(
    one.name for one in STORED_FIELDS if one.kind is FieldKind.INSTANT and one.name != "updated_at"
)
_decode = msgspec.json.Decoder().decode
_c = contacts.c
_PAGE = Statement(
    select(*CONTACT_COLUMNS)
    .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"))
    .order_by(_c.pk)
    .limit(_CONTACTS_PER_READ)
)


@dataclass(slots=True)
class OutdatedValues:
    """How many contacts of a workspace have outdated values of each kind, and the ids of the first."""

    counts: Counter[str] = field(default_factory=Counter)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, id_: str) -> None:
        """Note a contact."""
        self.counts[kind] += 1
        if len(named := self.ids.setdefault(kind, [])) < MAX_NAMED:
            named.append(id_)


async def find_outdated_values(tenant: Tenant, now: int) -> OutdatedValues:
    """Return the contacts of a workspace with values that a write would not store like this."""
    found = OutdatedValues()
    after = 0
    while rows := await tenant.fetch_all(_PAGE, after=after):
        for contact in map(contact_of, rows):
            for kind in _find_kinds(contact, now):
                found.note(kind, contact.id)
            normalized = normalize_address(contact.shown_email)
            if contact.email != normalized:
                other = await find_contact_by_email(tenant, normalized)
                if other is not None and other.id != contact.id:
                    found.note(SHARED_ADDRESS, f"{contact.id} and {other.id}")
            after = contact.pk
    return found


def _find_kinds(contact: Contact, now: int) -> Iterator[str]:
    if find_address_fault(contact.shown_email) is not None:
        yield REFUSED_ADDRESS
    if _has_other_names(contact.tags):
        yield OTHER_TAGS
    if _has_other_names(contact.attributes):
        yield OTHER_KEYS
    instants: list[Any] = [getattr(contact, name) for name in _INSTANTS]
    if any(instant is not None and is_in_future(instant, now) for instant in instants):
        yield FUTURE


def _has_other_names(encoded: str) -> bool:
    """Tell whether any name in a JSON list, or any key of an object, would be stored otherwise now."""
    return any(normalize_name(name) != name for name in _decode(encoded))
