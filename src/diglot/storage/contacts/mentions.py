"""What other tables keep of a contact: deliveries of its events, and kept idempotent responses.

No index finds these rows by an address, so they are read in slices and compared here. This is for an
operator's rare request, not for clients.
"""

import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, delete, select, tuple_

from diglot.conditions.addresses import normalize_address, spell_address
from diglot.model.events import read_order_id
from diglot.storage.schema import deleted_contacts, deliveries, events, idempotent_responses
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_ROWS_PER_READ: Final = 1_000
_d, _r, _e = deliveries.c, idempotent_responses.c, events.c
_DELIVERIES = Statement(
    select(deliveries)
    .where(_d.workspace == bindparam("workspace"), _d.delivery > bindparam("after"))
    .order_by(_d.delivery)
    .limit(_ROWS_PER_READ)
)
_RESPONSES = Statement(
    select(idempotent_responses)
    .where(
        _r.workspace == bindparam("workspace"),
        tuple_(_r.key, _r.request_name) > tuple_(bindparam("after_key"), bindparam("after_name")),
    )
    .order_by(_r.key, _r.request_name)
    .limit(100)
)
_DELETE_DELIVERY = Statement(
    delete(deliveries).where(_d.workspace == bindparam("workspace"), _d.delivery == bindparam("delivery"))
)
_DELETE_RESPONSE = Statement(
    delete(idempotent_responses).where(
        _r.workspace == bindparam("workspace"),
        _r.key == bindparam("key"),
        _r.request_name == bindparam("request_name"),
    )
)
_EVENTS_OF_CONTACT = Statement(
    select(*[*events.c][1:])
    .where(_e.workspace == bindparam("workspace"), _e.pk == bindparam("pk"))
    .order_by(_e.event)
)
_DELETED_BY_ID = Statement(
    select(deleted_contacts.c.pk).where(
        deleted_contacts.c.workspace == bindparam("workspace"), deleted_contacts.c.id == bindparam("id")
    )
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Person:
    """An address as it is compared, the ids of the contacts that have it or had it, and how they show it."""

    email: str
    ids: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()

    def _spellings(self) -> set[str]:
        """Return the address in the forms that texts may have it in, as it is and as JSON."""
        found = {self.email, spell_address(self.email), *self.shown}
        return found | {_encode(spelling).decode()[1:-1] for spelling in found}

    def mention(self) -> Callable[[str], bool]:
        """Return a function that tells whether a text mentions the address or one of the ids."""
        words = "|".join(re.escape(word) for word in self._spellings() | self.ids)
        # Not as a part of a longer address.
        found = re.compile(rf"(?<![\w.+%-])(?:{words})(?![\w-]|\.\w)", re.IGNORECASE)
        return lambda text: found.search(text) is not None


def _named(columns: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


async def iterate_deliveries(tenant: Tenant, person: Person) -> AsyncIterator[dict[str, Any]]:
    """Yield the rows of deliveries that mention a person, oldest first."""
    mentions, after = person.mention(), 0
    while rows := _named(deliveries.c.keys(), await tenant.fetch_all(_DELIVERIES, after=after)):
        after = rows[-1]["delivery"]
        for row in rows:
            texts = (row[name] or "" for name in ("payload", "last_error", "last_response"))
            if any(map(mentions, texts)):
                yield row


async def iterate_responses(tenant: Tenant, person: Person) -> AsyncIterator[dict[str, Any]]:
    """Yield the rows of kept responses that mention a person."""
    mentions = person.mention()
    after = {"after_key": "", "after_name": ""}
    columns = idempotent_responses.c.keys()
    while rows := _named(columns, await tenant.fetch_all(_RESPONSES, **after)):
        after = {"after_key": rows[-1]["key"], "after_name": rows[-1]["request_name"]}
        for row in rows:
            row["body"] = bytes(row["body"]).decode("utf-8", "replace")
            if any(mentions(row[name] or "") for name in ("body", "request_name", "created_id")):
                yield row


async def find_ids(tenant: Tenant, email: str) -> frozenset[str]:
    """Return the ids that objects with an address have in deliveries and kept responses."""
    person = Person(email)
    ids: set[str] = set()
    async for row in iterate_deliveries(tenant, person):
        _collect_ids(_decode(row["payload"]), email, ids)
    async for row in iterate_responses(tenant, person):
        try:
            _collect_ids(_decode(row["body"]), email, ids)
        except msgspec.DecodeError:
            continue
    return frozenset(ids)


def _collect_ids(value: Any, email: str, ids: set[str]) -> None:
    if isinstance(value, dict):
        address, id_ = value.get("email"), value.get("id")
        if isinstance(address, str) and isinstance(id_, str) and normalize_address(address) == email:
            ids.add(id_)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _collect_ids(item, email, ids)


async def load_events(tenant: Tenant, pk: int) -> list[dict[str, Any]]:
    """Return the rows of a contact's events, in order, with their dense key as `number`, and their orders."""
    columns = ["number", *events.c.keys()[2:]]
    rows = _named(columns, await tenant.fetch_all(_EVENTS_OF_CONTACT, pk=pk))
    return [row | {"order_id": read_order_id(row["source_id"])} for row in rows]


async def find_deleted_keys(tenant: Tenant, ids: Collection[str]) -> list[int]:
    """Return the keys that deleted contacts had, as far as the history still has their ids."""
    rows = [await tenant.fetch_one(_DELETED_BY_ID, id=id_) for id_ in sorted(ids)]
    return [row[0] for row in rows if row is not None]


async def delete_mentions(tenant: Tenant, person: Person) -> tuple[int, int]:
    """Delete the deliveries and the kept responses that mention a person; return how many of each."""
    found = [row["delivery"] async for row in iterate_deliveries(tenant, person)]
    for number in found:
        await tenant.execute(_DELETE_DELIVERY, delivery=number)
    responses = [(row["key"], row["request_name"]) async for row in iterate_responses(tenant, person)]
    for key, name in responses:
        await tenant.execute(_DELETE_RESPONSE, key=key, request_name=name)
    return len(found), len(responses)
