"""Rows of events."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, insert, literal_column, select

from diglot.model.events import Event, EventKind, Told, Wanted
from diglot.model.pages import Page, Window
from diglot.storage.contacts import queries as people
from diglot.storage.schema import contacts, events
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = events.c
_SHOWN: Final = (
    *(_c.event, _c.id, _c.kind, _c.name, _c.order_id, _c.campaign_id, _c.happened_at, _c.created_at),
    _c.body,
)
_HERE: Final = _c.workspace == bindparam("workspace")
# Spelled out, not bound: the planner has to see that the index of conversions holds them all.
_CONVERSIONS: Final = _c.kind == literal_column(f"'{EventKind.CONVERSION.value}'")
_WHOSE: Final = (contacts.c.workspace == _c.workspace) & (contacts.c.pk == _c.pk)
_INSERT = Statement(insert(events))
_BY_ORDER = Statement(
    select(*_SHOWN, contacts.c.id, contacts.c.email)
    .join(contacts, _WHOSE)
    .where(_HERE, _c.order_id == bindparam("order_id"))
)
_LAST_CLICK = Statement(
    select(*_SHOWN)
    .where(
        _HERE,
        _c.pk == bindparam("pk"),
        _c.kind == bindparam("kind"),
        _c.happened_at.between(bindparam("since"), bindparam("until")),
    )
    .order_by(_c.happened_at.desc(), _c.event.desc())
    .limit(1)
)
# What may be asked of conversions, by the name of its value.
_ASKED: Final[dict[str, Expression]] = {
    "pk": _c.pk == bindparam("pk"),
    "campaign_id": _c.campaign_id == bindparam("campaign_id"),
    "type": _c.name == bindparam("type"),
}


def _pinned(statement: Select[Any], asked: Collection[str]) -> Select[Any]:
    """Pin a search for conversions to the narrowest index on SQLite, whose planner walks all events."""
    contact = "events_of_contact" if "pk" in asked else "events_conversions"
    index = "events_by_campaign" if "campaign_id" in asked else contact
    wanted = (_ASKED[name] for name in asked)
    hinted = statement.with_hint(events, f"INDEXED BY {index}", "sqlite")
    return hinted.where(_HERE, _CONVERSIONS, *wanted)


@cache
def _count(asked: tuple[str, ...]) -> Statement:
    return Statement(_pinned(select(func.count()).select_from(events), asked))


@cache
def _page(asked: tuple[str, ...]) -> Statement:
    return Statement(
        _pinned(select(*_SHOWN, contacts.c.id, contacts.c.email).join(contacts, _WHOSE), asked)
        .order_by(_c.event.desc())
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


def _event(row: Sequence[Any]) -> Event:
    number, id_, kind, *rest = row
    return Event(number, id_, EventKind(kind), *rest)


def _told(row: Sequence[Any]) -> Told:
    *columns, contact_id, email = row
    return Told(_event(columns), contact_id, email)


async def insert_event(transaction: Transaction, workspace: int, pk: int, event: Event) -> None:
    """Insert an event of a contact."""
    values = {
        "workspace": workspace,
        "event": event.number,
        "id": event.id,
        "pk": pk,
        "kind": event.kind.value,
        "name": event.name,
        "order_id": event.order_id,
        "campaign_id": event.campaign_id,
        "happened_at": event.happened_at,
        "created_at": event.created_at,
        "body": event.body,
    }
    await transaction.run(_INSERT, values)


async def by_order(transaction: Transaction, workspace: int, order_id: str) -> Told | None:
    """Return the event that told of an order."""
    row = await transaction.row(_BY_ORDER, {"workspace": workspace, "order_id": order_id})
    return None if row is None else _told(row)


async def last_click(
    transaction: Transaction, workspace: int, pk: int, since: int, until: int
) -> Event | None:
    """Return the last click of a contact in a span of time."""
    values = {
        "workspace": workspace,
        "pk": pk,
        "kind": EventKind.CLICK.value,
        "since": since,
        "until": until,
    }
    row = await transaction.row(_LAST_CLICK, values)
    return None if row is None else _event(row)


async def conversions(transaction: Transaction, workspace: int, wanted: Wanted, window: Window) -> Page[Told]:
    """Return a window of the conversions, newest first."""
    asked: dict[str, Any] = {"campaign_id": wanted.campaign_id, "type": wanted.type}
    if wanted.contact_id is not None:
        contact = await people.by_id(transaction, workspace, wanted.contact_id)
        if contact is None:
            return Page([], 0)
        asked["pk"] = contact.pk
    values = {name: value for name, value in asked.items() if value is not None}
    shape = tuple(values)
    values["workspace"] = workspace
    total = await transaction.row(_count(shape), values)
    assert total is not None
    values |= {"limit": window.limit, "offset": window.offset}
    return Page([_told(row) for row in await transaction.rows(_page(shape), values)], total[0])
