"""Compares the counts that writes keep in rows of workspaces and tags with the rows that they count."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Table, bindparam, func, select, true

from diglot.conditions import text
from diglot.storage.schema import contacts, lists, segments, tags, webhooks, workspaces
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_CONTACTS_PER_READ: Final = 5_000
_decode: Final = msgspec.json.Decoder(list[str]).decode
_c = contacts.c


def _count(table: Table, condition: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    rows = select(func.count()).select_from(table).where(table.c.workspace == bindparam("workspace"))
    return rows.where(true() if condition is None else condition).scalar_subquery()


_COUNTED: Final[dict[str, ColumnElement[int]]] = {
    "contact_count": _count(contacts),
    "segment_count": _count(segments),
    "list_count": _count(lists),
    "active_webhook_count": _count(webhooks, webhooks.c.active),
}
_COUNTS = Statement(
    select(
        *(value for name, counted in _COUNTED.items() for value in (workspaces.c[name], counted.label(None)))
    ).where(workspaces.c.workspace == bindparam("workspace"))
)
_TAGS_OF_CONTACTS = Statement(
    select(_c.pk, _c.tags)
    .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"))
    .order_by(_c.pk)
    .limit(_CONTACTS_PER_READ)
)
_COUNTS_OF_TAGS = Statement(
    select(tags.c.name_exact, tags.c.contact_count).where(tags.c.workspace == bindparam("workspace"))
)


@dataclass(frozen=True, slots=True)
class WrongCount:
    """A count that differs from the rows; `name` is a column of a workspace, or `tag NAME`."""

    name: str
    stored: int
    counted: int


async def find_wrong_counts(tenant: Tenant) -> list[WrongCount]:
    """Return the counts of a workspace that differ from its rows, in one snapshot."""
    row = await tenant.fetch_one(_COUNTS)
    if row is None:
        return []
    pairs = [(name, *row[2 * n : 2 * n + 2]) for n, name in enumerate(_COUNTED)]
    counted = await _count_tags(tenant)
    stored = {row[0]: row[1] for row in await tenant.fetch_all(_COUNTS_OF_TAGS)}
    pairs += [(f"tag {exact!r}", stored.get(exact, 0), counted[exact]) for exact in {**stored, **counted}]
    return [WrongCount(*pair) for pair in pairs if pair[1] != pair[2]]


async def _count_tags(tenant: Tenant) -> Counter[str]:
    """Return how many contacts have each tag, by its normal form."""
    counted: Counter[str] = Counter()
    after = 0
    while rows := await tenant.fetch_all(_TAGS_OF_CONTACTS, after=after):
        for encoded, times in Counter(tags_ for _, tags_ in rows).items():
            for exact in {text.to_nfc(name) for name in _decode(encoded)}:
                counted[exact] += times
        after = rows[-1][0]
    return counted
