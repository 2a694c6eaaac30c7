"""Tracking: events and purchases, in the spellings of the newest clients and of older pages."""

from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_seconds
from diglot.api.input.events import MAX_URL_LENGTH, EventBodyReader, without_none
from diglot.api.operation import Operation
from diglot.dialects.misar.tracking import wire
from diglot.dialects.misar.tracking.event_names import event_kind_of
from diglot.model.events import PURCHASE, ContactRef, ConversionValue, EventKind, NewEvent, RecordedEvent

_TAG: Final = "tracking"
_HOUR: Final = 3_600 * 1_000_000
# No page says how long a click counts by default: a week.
_DEFAULT_WINDOW_HOURS: Final = 168
_MAX_WINDOW_HOURS: Final = 8_760
LAST_TOUCH: Final = "last_touch"
_encode = msgspec.json.Encoder().encode


@handles(
    Operation(
        "trackEvent",
        "POST",
        "/track/event",
        _TAG,
        "Tell what a contact did; opens, clicks and sendings move its engagement fields",
        scope="track:events",
        body=wire.TrackEvent,
        response=wire.TrackEventAnswer,
        body_references=True,
    )
)
async def track_event(call: Call) -> wire.TrackEventAnswer:
    reader = EventBodyReader(await call.read_object(), call.caller)
    name, data = (
        reader.resolve_spelling("event_name", "event"),
        reader.resolve_spelling("event_data", "properties"),
    )
    reader.require("email", name)
    email, event_name = reader.read_email(), reader.read_optional_name(name)
    body = without_none(
        data=_to_raw(reader.read_json(data)),
        source=reader.read_optional_text("source"),
        page_url=reader.read_optional_text("page_url", MAX_URL_LENGTH),
        referrer=reader.read_optional_text("referrer", MAX_URL_LENGTH),
        message_id=reader.read_optional_text(reader.resolve_spelling("messageId", "message_id")),
    )
    campaign_id, when = reader.read_optional_name("campaign_id"), reader.read_instant("timestamp")
    reader.raise_faults()
    assert event_name is not None
    new = NewEvent(
        event_kind_of(event_name),
        event_name,
        _encode(body).decode(),
        occurred_at=when,
        campaign_id=campaign_id,
    )
    told = await call.services.events.record(call.caller, ContactRef(None, email), new)
    return wire.TrackEventAnswer(success=True, event_id=told.event.id, tracked=True)


@handles(
    Operation(
        "trackPurchase",
        "POST",
        "/track/purchase",
        _TAG,
        "Tell of a contact's order; it counts once, however often it is told",
        scope="track:purchase",
        body=wire.TrackPurchase,
        response=wire.TrackPurchaseAnswer,
        body_references=True,
    )
)
async def track_purchase(call: Call) -> wire.TrackPurchaseAnswer:
    email, new = _read_purchase(EventBodyReader(await call.read_object(), call.caller))
    told = await call.services.events.record(call.caller, ContactRef(None, email), new)
    return wire.TrackPurchaseAnswer(
        success=True, purchase_id=told.event.id, attribution=_build_attribution(told), tracked=True
    )


def _read_purchase(reader: EventBodyReader) -> tuple[str | None, NewEvent]:
    order = reader.resolve_spelling("order_id", "orderId")
    reader.require("email", order)
    email, order_id = reader.read_email(), reader.read_optional_name(order)
    revenue, currency = _read_total(reader), reader.read_currency()
    metadata = without_none(
        items=_to_raw(reader.read_json("items", "array")),
        message_id=reader.read_optional_text(reader.resolve_spelling("messageId", "message_id")),
    )
    hours = reader.read_integer("attribution_window_hours", 1, _MAX_WINDOW_HOURS) or _DEFAULT_WINDOW_HOURS
    when = reader.read_instant("timestamp")
    reader.raise_faults()
    worth = ConversionValue(revenue, currency, None, LAST_TOUCH, None, msgspec.Raw(_encode(metadata)))
    new = NewEvent(
        EventKind.CONVERSION,
        PURCHASE,
        occurred_at=when,
        order_id=order_id,
        value=worth,
        attribution_window=hours * _HOUR,
    )
    return email, new


def _read_total(reader: EventBodyReader) -> float:
    """Read the total: in cents, as the newest clients send it, or in units, as older ones do."""
    units = reader.resolve_spelling("revenue", "amount")
    if not reader.has(units):
        reader.require("total_cents")
        return reader.read_cents("total_cents") or 0.0
    amount = reader.read_amount(units) or 0.0
    if reader.has("total_cents") and reader.read_cents("total_cents") not in (None, amount):
        reader.add_fault((units,), "Differs from total_cents")
    return amount


def _to_raw(json: str | None) -> msgspec.Raw | None:
    return None if json is None else msgspec.Raw(json.encode())


def _build_attribution(told: RecordedEvent) -> wire.Attribution:
    worth = msgspec.json.decode(told.event.body, type=ConversionValue)
    campaign_id = told.event.campaign_id
    source = "direct" if worth.clicked_at is None else "email"
    return wire.Attribution(
        source=source if campaign_id is None else "campaign",
        campaign_id=campaign_id,
        automation_id=None,
        click_timestamp=format_seconds(worth.clicked_at),
    )


ENDPOINTS: Final = (track_event, track_purchase)
