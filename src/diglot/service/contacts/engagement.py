"""What an event does to the contact whose it is: the arithmetic of the engagement fields.

Times move forwards only, whatever the order in which events are told. Counts stop at the greatest number
that every database compares exactly. Money is added as decimals: a sum of amounts with two digits after the
point is the amount that a person would write, where adding doubles drifts away from it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from diglot.conditions.fields import NUMBER_LIMIT
from diglot.model.contacts import Contact
from diglot.model.events import PURCHASE, EventKind, NewEvent

_LIMIT: Final = int(NUMBER_LIMIT)
# The time and the count that a kind of event moves.
_MOVES: Final[Mapping[EventKind, tuple[str, str | None]]] = {
    EventKind.OPEN: ("last_opened_at", "total_opens"),
    EventKind.CLICK: ("last_clicked_at", "total_clicks"),
    EventKind.SENT: ("last_emailed_at", None),
}


def moves(new: NewEvent) -> bool:
    """Tell whether an event moves any field of its contact."""
    return new.kind in _MOVES or _is_order(new)


def moved(contact: Contact, new: NewEvent, happened_at: int) -> dict[str, Any]:
    """Return the fields of the contact that an event moves, with their new values."""
    if _is_order(new):
        assert new.worth is not None
        return {
            "total_orders": one_more(contact.total_orders),
            "total_spent": added(contact.total_spent, new.worth.revenue),
        }
    time, count = _MOVES[new.kind]
    values: dict[str, Any] = {time: later(getattr(contact, time), happened_at)}
    if count is not None:
        values[count] = one_more(getattr(contact, count))
    return values


def _is_order(new: NewEvent) -> bool:
    return new.kind is EventKind.CONVERSION and new.name == PURCHASE


def later(known: int | None, told: int) -> int:
    """Return the later of two instants, the first of which may be missing."""
    return told if known is None else max(known, told)


def one_more(count: int) -> int:
    """Return a count with one more, at most the greatest number of the catalogue."""
    return min(count + 1, _LIMIT)


def added(total: float, amount: float) -> float:
    """Return a sum of money, at most the greatest number of the catalogue."""
    return min(float(Decimal(repr(total)) + Decimal(repr(amount))), NUMBER_LIMIT)
