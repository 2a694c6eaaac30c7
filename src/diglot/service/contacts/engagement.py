"""Computes the engagement fields of a contact after an event: times, counts and money.

Times only move forwards, because events may arrive out of order. Counts stop at the largest number that every
database compares exactly. Money is added as decimals, because sums of doubles drift away from the exact
amount.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from diglot.conditions.fields import NUMBER_LIMIT
from diglot.model.contacts import Contact
from diglot.model.events import PURCHASE, EventKind, NewEvent

_MAX_COUNT: Final = int(NUMBER_LIMIT)
# The time and the count that each kind of event updates.
_FIELDS_BY_KIND: Final[Mapping[EventKind, tuple[str, str | None]]] = {
    EventKind.OPEN: ("last_opened_at", "total_opens"),
    EventKind.CLICK: ("last_clicked_at", "total_clicks"),
    EventKind.SENT: ("last_emailed_at", None),
}


def affects_contact(new: NewEvent) -> bool:
    """Tell whether an event updates any field of its contact."""
    return new.kind in _FIELDS_BY_KIND or _is_order(new)


def compute_updates(contact: Contact, new: NewEvent, happened_at: int) -> dict[str, Any]:
    """Return the new values of the fields that an event updates."""
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


def later_instant(stored: int | None, happened_at: int) -> int:
    """Return the later of two instants; the stored one may be missing."""
    return happened_at if stored is None else max(stored, happened_at)


def increment_count(count: int) -> int:
    """Return a count plus one, limited to the maximum of number fields."""
    return min(count + 1, _MAX_COUNT)


def add_amount(total: float, amount: float) -> float:
    """Return a sum of money, limited to the maximum of number fields."""
    return min(float(Decimal(repr(total)) + Decimal(repr(amount))), NUMBER_LIMIT)
