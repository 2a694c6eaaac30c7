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

_MAX_COUNT: Final = int(NUMBER_LIMIT)
# The time and the count that a kind of event moves.
_FIELDS_BY_KIND: Final[Mapping[EventKind, tuple[str, str | None]]] = {
    EventKind.OPEN: ("last_opened_at", "total_opens"),
    EventKind.CLICK: ("last_clicked_at", "total_clicks"),
    EventKind.SENT: ("last_emailed_at", None),
}


def affects_contact(new: NewEvent) -> bool:
    """Tell whether an event moves any field of its contact."""
    return new.kind in _FIELDS_BY_KIND or _is_order(new)


def compute_updates(contact: Contact, new: NewEvent, happened_at: int) -> dict[str, Any]:
    """Return the fields of the contact that an event moves, with their new values."""
    if _is_order(new):
        assert new.value is not None
        return {
            "total_orders": increment_count(contact.total_orders),
            "total_spent": add_amount(contact.total_spent, new.value.revenue),
        }
    time, count = _FIELDS_BY_KIND[new.kind]
    values: dict[str, Any] = {time: later_instant(getattr(contact, time), happened_at)}
    if count is not None:
        values[count] = increment_count(getattr(contact, count))
    return values


def _is_order(new: NewEvent) -> bool:
    return new.kind is EventKind.CONVERSION and new.name == PURCHASE


def later_instant(known: int | None, told: int) -> int:
    """Return the later of two instants, the first of which may be missing."""
    return told if known is None else max(known, told)


def increment_count(count: int) -> int:
    """Return a count with one more, at most the greatest number of the catalogue."""
    return min(count + 1, _MAX_COUNT)


def add_amount(total: float, amount: float) -> float:
    """Return a sum of money, at most the greatest number of the catalogue."""
    return min(float(Decimal(repr(total)) + Decimal(repr(amount))), NUMBER_LIMIT)
