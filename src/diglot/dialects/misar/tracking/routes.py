"""Tracking calls: events and purchases, in the spellings of the newest clients and of older pages."""

from decimal import Decimal
from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_seconds
from diglot.api.input.body_reader import BodyReader
from diglot.api.input.events import read_occurred_at, without_unset
from diglot.api.operation import Operation
from diglot.conditions.text import to_nfc
from diglot.dialects.misar.tracking import wire
from diglot.dialects.misar.tracking.event_names import event_kind_of
from diglot.model.events import PURCHASE, ContactRef, ConversionValue, EventKind, NewEvent, RecordedEvent

_TAG: Final = "tracking"
_HOUR: Final = 3_600 * 1_000_000
# The vendor does not document the default attribution window; Diglot uses a week.
_DEFAULT_WINDOW_HOURS: Final = 168
_DEFAULT_CURRENCY: Final = "USD"
# These properties are checked in this order, before the other properties of the struct.
_EVENT_READING_ORDER: Final = (
    "email",
    "event_name",
    "event_data",
    "source",
    "page_url",
    "referrer",
    "messageId",
)
LAST_TOUCH: Final = "last_touch"
_encode = msgspec.json.Encoder().encode


@handles(
    Operation(
        "trackEvent",
        "POST",
        "/track/event",
        _TAG,
        "Record an event of a contact; opens, clicks and sent emails update its engagement fields",
        scope="track:events",
        body=wire.TrackEvent,
        response=wire.TrackEventAnswer,
        may_conflict=True,
        body_references=True,
    )
)
async def track_event(call: Call) -> wire.TrackEventAnswer:
    reader = BodyReader(await call.read_object(), omit_nulls=True)
    reader.find_keys(wire.TrackEvent, "event_name", "event_data")
    reader.read(wire.TrackEvent, *_EVENT_READING_ORDER)
    body = reader.read(wire.TrackEvent)
    reader.raise_faults()
    kept = without_unset(
        data=reader.json_of("event_data"),
        source=body.source,
        page_url=body.page_url,
        referrer=body.referrer,
        message_id=body.messageId,
    )
    new = NewEvent(
        event_kind_of(body.event_name),
        to_nfc(body.event_name),
        _encode(kept).decode(),
        occurred_at=read_occurred_at(body.timestamp, "timestamp", call.caller.zone),
        campaign_id=body.campaign_id or None,
        event_id=body.event_id or None,
    )
    recorded = await call.services.events.record(call.caller, ContactRef(None, body.email), new)
    return wire.TrackEventAnswer(success=True, event_id=recorded.event.id, tracked=True)


@handles(
    Operation(
        "trackPurchase",
        "POST",
        "/track/purchase",
        _TAG,
        "Record an order of a contact; an order counts once, even if it is sent again",
        scope="track:purchase",
        body=wire.TrackPurchase,
        response=wire.TrackPurchaseAnswer,
        body_references=True,
    )
)
async def track_purchase(call: Call) -> wire.TrackPurchaseAnswer:
    email, new = _read_purchase(call, BodyReader(await call.read_object(), omit_nulls=True))
    recorded = await call.services.events.record(call.caller, ContactRef(None, email), new)
    return wire.TrackPurchaseAnswer(
        success=True, purchase_id=recorded.event.id, attribution=_build_attribution(recorded), tracked=True
    )


def _read_purchase(call: Call, reader: BodyReader) -> tuple[str, NewEvent]:
    reader.read(wire.TrackPurchase, "email", "order_id")
    revenue = _read_total(reader)
    reader.read(wire.TrackPurchase, "currency", "items", "messageId", "attribution_window_hours")
    body = reader.read(wire.TrackPurchase)
    reader.raise_faults()
    currency = body.currency.upper() if isinstance(body.currency, str) else _DEFAULT_CURRENCY
    metadata = without_unset(items=reader.json_of("items"), message_id=body.messageId)
    hours = body.attribution_window_hours or _DEFAULT_WINDOW_HOURS
    new = NewEvent(
        EventKind.CONVERSION,
        PURCHASE,
        occurred_at=read_occurred_at(body.timestamp, "timestamp", call.caller.zone),
        order_id=body.order_id,
        value=ConversionValue(revenue, currency, None, LAST_TOUCH, None, msgspec.Raw(_encode(metadata))),
        attribution_window=hours * _HOUR,
    )
    return body.email, new


def _read_total(reader: BodyReader) -> float:
    """Read the total, which the newest clients send in cents and older clients in units."""
    revenue = reader.read(wire.TrackPurchase, "revenue").revenue
    total_cents = reader.read(wire.TrackPurchase, "total_cents").total_cents
    units = reader.key_of("revenue")
    cents = float(Decimal(total_cents) / 100) if isinstance(total_cents, int) else None
    if not reader.has(units):
        reader.require("total_cents")
        return cents or 0.0
    amount = revenue or 0.0
    if cents not in (None, amount):
        reader.add_fault((units,), "Differs from total_cents")
    return amount


def _build_attribution(recorded: RecordedEvent) -> wire.Attribution:
    worth = msgspec.json.decode(recorded.event.body, type=ConversionValue)
    campaign_id = recorded.event.campaign_id
    source = "direct" if worth.clicked_at is None else "email"
    return wire.Attribution(
        source=source if campaign_id is None else "campaign",
        campaign_id=campaign_id,
        automation_id=None,
        click_timestamp=format_seconds(worth.clicked_at),
    )


ENDPOINTS: Final = (track_event, track_purchase)
