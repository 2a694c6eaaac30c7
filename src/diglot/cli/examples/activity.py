"""What happens to the demo's contacts after they are created, so that its charts and the past differ."""

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

import msgspec

from diglot.model.contacts import ContactChange
from diglot.model.events import PURCHASE, ContactRef, ConversionValue, EventKind, NewEvent

_SEED: Final = 20_260_528
# Interest comes and goes in waves of so many days, with so many changes on a usual day.
_WAVE_DAYS: Final = 45
_CHANGES_A_DAY: Final = 30
_BUYERS: Final = 60
# A new price, on this day of the demo, makes customers leave their plans.
_PRICE_DAY: Final = 70
_LEAVERS: Final = 700
_NO_METADATA: Final = msgspec.Raw(b"{}")
Happening = tuple[ContactRef, NewEvent]


class Activity:
    """Draws what happens to known contacts, the same every time; `known` grows as contacts are created."""

    def __init__(self) -> None:
        self._random = Random(_SEED)  # noqa: S311 - the same happenings every time
        self._known: list[ContactChange] = []
        self._scores: dict[str, float] = {}
        self._orders = 0

    def meet(self, contacts: Sequence[ContactChange]) -> None:
        """Let things happen to new contacts from now on."""
        self._known += contacts

    def draw_changes(self, day: int, days: int, now: int) -> Iterator[ContactChange]:
        """Yield the changes of some days that end with a day of the demo, at an instant in microseconds."""
        wave = math.sin(2 * math.pi * day / _WAVE_DAYS)
        for _ in range(int(days * _CHANGES_A_DAY * (1 + 0.8 * abs(wave)))):
            yield self._draw_change(wave, now)
        if day - days < _PRICE_DAY <= day:
            for contact in self._random.sample(self._known, _LEAVERS):
                yield ContactChange({"email": contact.email}, {"plan": "free"})

    def draw_events(self, days: int) -> Iterator[Happening]:
        """Yield purchases of a few contacts that buy again and again, and mail that is opened."""
        for number in range(1 + days):
            contact = self._known[self._random.randrange(_BUYERS) * (len(self._known) // _BUYERS)]
            yield ContactRef(None, contact.email), self._draw_event(is_purchase=number > 0)

    def _draw_change(self, wave: float, now: int) -> ContactChange:
        contact, drawn = self._random.choice(self._known), self._random.random()
        email = contact.email
        if drawn < 0.4 + 0.35 * wave:
            return self._change_score(email, self._random.uniform(8, 30), last_opened_at=now)
        if drawn < 0.82:
            return self._change_score(email, -self._random.uniform(5, 25))
        if drawn < 0.88:
            return ContactChange({"email": email}, {"plan": self._random.choice(("starter", "pro", "team"))})
        if drawn < 0.95:
            tag = self._random.choice(("europe", "vip", "newsletter", "partner"))
            return ContactChange({"email": email}, added_tags=(tag,))
        return ContactChange({"email": email, "status": "unsubscribed"})

    def _change_score(self, email: str, by: float, **values: Any) -> ContactChange:
        score = round(min(100.0, max(0.0, self._scores.get(email, 40.0) + by)), 1)
        self._scores[email] = score
        return ContactChange({"email": email, "engagement_score": score, **values})

    def _draw_event(self, *, is_purchase: bool) -> NewEvent:
        if not is_purchase:
            return NewEvent(EventKind.OPEN, "email.opened", campaign_id="newsletter")
        self._orders += 1
        revenue = round(self._random.uniform(9, 240), 2)
        value = ConversionValue(revenue, "EUR", None, "last_click", None, _NO_METADATA)
        return NewEvent(EventKind.CONVERSION, PURCHASE, order_id=f"demo-{self._orders}", value=value)
