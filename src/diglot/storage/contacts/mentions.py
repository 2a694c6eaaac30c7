"""What other tables keep of a contact: deliveries of its events, and kept idempotent responses.

No index finds these rows by an address, so they are read in slices and compared here. This is for an
operator's rare request, not for clients.
"""

import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, delete, func, select, tuple_

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
        _r.stored_at >= bindparam("since"),
    )
    .order_by(_r.key, _r.request_name)
    .limit(100)
)
_LAST_DELIVERY = Statement(select(func.max(_d.delivery)).where(_d.workspace == bindparam("workspace")))
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


class Person(msgspec.Struct, frozen=True):
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


class Horizon(msgspec.Struct, frozen=True):
    """How far rows were read before: up to a delivery, and all responses stored before an instant."""

    delivery: int = 0
    stored_at: int = 0


NOTHING_READ: Final = Horizon()


class Traces(msgspec.Struct, frozen=True):
    """What mentions a person up to a horizon: deliveries by number, kept responses by key and name.

    `ids` are those of the contacts that have or had the address.
    """

    ids: frozenset[str] = frozenset()
    deliveries: frozenset[int] = frozenset()
    responses: frozenset[tuple[str, str]] = frozenset()
    horizon: Horizon = NOTHING_READ


def _named(columns: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


async def iterate_deliveries(
    tenant: Tenant, person: Person, read: Horizon = NOTHING_READ
) -> AsyncIterator[dict[str, Any]]:
    """Yield the rows of deliveries that mention a person, oldest first, after those that were read before."""
    mentions, after = person.mention(), read.delivery
    while rows := _named(deliveries.c.keys(), await tenant.fetch_all(_DELIVERIES, after=after)):
        after = rows[-1]["delivery"]
        for row in rows:
            texts = (row[name] or "" for name in ("payload", "last_error", "last_response"))
            if any(map(mentions, texts)):
                yield row


async def iterate_responses(
    tenant: Tenant, person: Person, read: Horizon = NOTHING_READ
) -> AsyncIterator[dict[str, Any]]:
    """Yield the rows of kept responses that mention a person, without those that were read before."""
    mentions, since = person.mention(), read.stored_at
    after = {"after_key": "", "after_name": ""}
    columns = idempotent_responses.c.keys()
    while rows := _named(columns, await tenant.fetch_all(_RESPONSES, **after, since=since)):
        after = {"after_key": rows[-1]["key"], "after_name": rows[-1]["request_name"]}
        for row in rows:
            row["body"] = bytes(row["body"]).decode("utf-8", "replace")
            if any(mentions(row[name] or "") for name in ("body", "request_name", "created_id")):
                yield row


async def find_ids(tenant: Tenant, email: str, read: Horizon = NOTHING_READ) -> frozenset[str]:
    """Return the ids that objects with an address have in deliveries and kept responses."""
    person = Person(email)
    ids: set[str] = set()
    async for row in iterate_deliveries(tenant, person, read):
        _collect_ids(_decode(row["payload"]), email, ids)
    async for row in iterate_responses(tenant, person, read):
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


async def find_traces(tenant: Tenant, person: Person, known: Traces, read_at: int) -> Traces:
    """Return what mentions a person, with what is known; `read_at` is before the snapshot (microseconds)."""
    last = await tenant.fetch_one(_LAST_DELIVERY)
    horizon = Horizon((last and last[0]) or 0, read_at)
    deliveries = [row["delivery"] async for row in iterate_deliveries(tenant, person, known.horizon)]
    responses = iterate_responses(tenant, person, known.horizon)
    names = [(row["key"], row["request_name"]) async for row in responses]
    return Traces(person.ids, known.deliveries.union(deliveries), known.responses.union(names), horizon)


async def delete_traces(tenant: Tenant, traces: Traces) -> tuple[int, int]:
    """Delete deliveries and kept responses; return how many of each."""
    for number in sorted(traces.deliveries):
        await tenant.execute(_DELETE_DELIVERY, delivery=number)
    for key, name in sorted(traces.responses):
        await tenant.execute(_DELETE_RESPONSE, key=key, request_name=name)
    return len(traces.deliveries), len(traces.responses)
