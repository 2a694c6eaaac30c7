"""Valid bodies of the calls that record events."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from support.fuzz.drafts import Known

_DATA: Final = {"plan": "pro", "seats": 3, "nested": {"a": [1, "b", None, True]}}
_TIME: Final = "2026-01-01T00:00:00Z"


def _event(rng: Random, known: Known, number: int) -> Any:
    names = ("email.opened", "email_clicked", "email.sent", f"own {number}")
    body = {
        "email": rng.choice(known.emails),
        "event_name": rng.choice(names),
        "event_data": _DATA,
        "source": "app",
        "campaign_id": "camp_1",
        "page_url": "https://example.com/",
    }
    return body | ({"timestamp": _TIME} if rng.random() < 0.5 else {})


def _purchase(rng: Random, known: Known, number: int) -> Any:
    items = [{"name": "Pro", "quantity": 1, "price_cents": 4999}]
    return {
        "email": rng.choice(known.emails),
        "order_id": f"order {rng.randrange(number + 1)}",
        "total_cents": 4999,
        "currency": "EUR",
        "items": items,
        "attribution_window_hours": 24,
        "timestamp": _TIME,
    }


def _who(rng: Random, known: Known) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"email": rng.choice(known.emails)}
    return {"contact_id": rng.choice(known.contacts)}


def _conversion(rng: Random, known: Known, number: int) -> Any:
    return _who(rng, known) | {
        "type": rng.choice(("purchase", "signup", "upgrade", "custom")),
        "revenue": 49.99,
        "currency": "usd",
        "order_id": f"order {rng.randrange(number + 1)}",
        "campaign_id": "camp_1",
        "flow_id": "flow_1",
        "attribution_model": "first_touch",
        "metadata": _DATA,
        "converted_at": _TIME,
    }


def _own_event(rng: Random, known: Known, number: int) -> Any:
    return _who(rng, known) | {
        "name": rng.choice(("email.opened", "email.sent", f"own {number}")),
        "properties": _DATA,
        "campaign_id": "camp_1",
        "occurred_at": _TIME,
        "event_id": f"event {rng.randrange(number + 1)}",
    }


def _product_view(rng: Random, known: Known, number: int) -> Any:
    return _who(rng, known) | {
        "product_id": f"product {number}",
        "product_name": "Headphones",
        "product_url": "https://example.com/products/1?a=b#c",
        "image_url": "http://example.com/1.jpg",
        "price": 99.99,
        "brand": "AudioCo",
    }


BODIES: Final[dict[str, Callable[[Random, Known, int], Any]]] = {
    "trackEvent": _event,
    "trackPurchase": _purchase,
    "createConversion": _conversion,
    "createEvent": _own_event,
    "trackProductView": _product_view,
}
