"""Tests the arithmetic of the engagement fields."""

from random import Random

import pytest
from msgspec import Raw

from diglot.conditions.fields import NUMBER_LIMIT
from diglot.dialects.misar.tracking.event_names import event_kind_of
from diglot.model.events import PURCHASE, ConversionValue, EventKind, NewEvent
from diglot.service.contacts import engagement
from support.populations import contact

MOST = int(NUMBER_LIMIT)
OPEN = NewEvent(EventKind.OPEN, "email.opened")
ADA = contact({"email": "ada@example.com", "total_opens": 2, "last_opened_at": "2026-01-02"}, 1)


def purchase(revenue: float, kind: str = PURCHASE) -> NewEvent:
    worth = ConversionValue(revenue, "USD", None, "last_touch", None, Raw(b"{}"))
    return NewEvent(EventKind.CONVERSION, kind, value=worth)


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ([0.1] * 10, 1.0),
        ([0.1, 0.2], 0.3),
        ([49.99, 0.1, 0.2], 50.29),
        ([1e15, 0.1], 1000000000000000.1),
        ([0.0], 0.0),
        ([float(MOST), 1.0], NUMBER_LIMIT),
        ([NUMBER_LIMIT, NUMBER_LIMIT], NUMBER_LIMIT),
        ([1e-300, 1e-300], 2e-300),
    ],
)
def test_money_is_added_as_decimals(amounts: list[float], total: float) -> None:
    """A sum is what a person would write, and never exceeds the greatest number."""
    result = 0.0
    for amount in amounts:
        result = engagement.add_amount(result, amount)
    assert result == total


def test_cents_add_up_in_any_order() -> None:
    """A thousand amounts in cents, shuffled, sum to the cent."""
    rng = Random(1)
    cents = [rng.randrange(100_000_00) for _ in range(1_000)]
    for _ in range(5):
        rng.shuffle(cents)
        total = 0.0
        for each in cents:
            total = engagement.add_amount(total, each / 100)
        assert total == sum(cents) / 100


def test_counts_stop_at_the_greatest_number() -> None:
    """One more than the greatest number is the greatest number."""
    assert [engagement.increment_count(count) for count in (0, MOST - 1, MOST)] == [1, MOST, MOST]


def test_times_only_advance() -> None:
    """A missing time takes the new one, another the later of the two."""
    assert engagement.later_instant(None, -5) == -5
    assert [engagement.later_instant(5, told) for told in (4, 5, 6)] == [5, 5, 6]


def test_an_old_open_counts_without_its_time() -> None:
    """The count and the time are independent."""
    known = ADA.last_opened_at
    assert known is not None
    assert engagement.compute_updates(ADA, OPEN, known - 1) == {"last_opened_at": known, "total_opens": 3}
    assert engagement.compute_updates(ADA, OPEN, known + 1) == {"last_opened_at": known + 1, "total_opens": 3}


def test_the_effect_of_each_kind() -> None:
    """A send has a time and no count; an order has counts and no time."""
    sent = NewEvent(EventKind.SENT, "email.sent")
    assert engagement.compute_updates(ADA, sent, 7) == {"last_emailed_at": 7}
    click = NewEvent(EventKind.CLICK, "email.clicked")
    assert engagement.compute_updates(ADA, click, 7) == {"last_clicked_at": 7, "total_clicks": 1}
    assert engagement.compute_updates(ADA, purchase(0.5), 7) == {"total_orders": 1, "total_spent": 0.5}


@pytest.mark.parametrize(
    ("new", "moves"),
    [
        (OPEN, True),
        (purchase(1.0), True),
        (purchase(0.0), True),
        (purchase(1.0, "signup"), False),
        (NewEvent(EventKind.VIEW, PURCHASE), False),
        (NewEvent(EventKind.OTHER, PURCHASE), False),
    ],
)
def test_events_without_effect(new: NewEvent, moves: bool) -> None:
    """Only purchases among the conversions change totals, and no event changes them by its name alone."""
    assert engagement.affects_contact(new) is moves


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, EventKind.OPEN) for name in ("email.opened", "email_opened", "campaign.opened")),
        *((name, EventKind.CLICK) for name in ("email.clicked", "link.clicked", "campaign_clicked")),
        *((name, EventKind.SENT) for name in ("email.sent", "email_delivered")),
        *((name, EventKind.OTHER) for name in ("click", "open", "Email.Opened", "email.bounced", "")),
    ],
)
def test_the_names_of_events(name: str, kind: EventKind) -> None:
    """The vendor's own names have an effect, with a dot or an underscore; no others do."""
    assert event_kind_of(name) is kind
