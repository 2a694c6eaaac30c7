"""Tracking: events and purchases, in the spellings of the newest clients and of older pages."""

from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import in_seconds
from diglot.api.input.events import LONGEST_URL, EventReader, without_gaps
from diglot.api.operation import Operation
from diglot.dialects.misar.tracking import wire
from diglot.dialects.misar.tracking.event_names import kind_of
from diglot.model.events import PURCHASE, ContactRef, ConversionValue, EventKind, NewEvent, RecordedEvent

_TAG: Final = "tracking"
_HOUR: Final = 3_600 * 1_000_000
# No page says how long a click counts by default: a week.
_WINDOW_HOURS: Final = 168
_MOST_HOURS: Final = 8_760
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
        answer=wire.TrackEventAnswer,
        names=True,
    )
)
async def track_event(call: Call) -> wire.TrackEventAnswer:
    reader = EventReader(await call.members(), call.caller)
    name, data = reader.spelled("event_name", "event"), reader.spelled("event_data", "properties")
    reader.required("email", name)
    email, event_name = reader.email(), reader.keep_name(name)
    body = without_gaps(
        data=_raw(reader.json(data)),
        source=reader.keep("source"),
        page_url=reader.keep("page_url", LONGEST_URL),
        referrer=reader.keep("referrer", LONGEST_URL),
        message_id=reader.keep(reader.spelled("messageId", "message_id")),
    )
    campaign_id, when = reader.keep_name("campaign_id"), reader.moment("timestamp")
    reader.finish()
    assert event_name is not None
    new = NewEvent(
        kind_of(event_name), event_name, _encode(body).decode(), occurred_at=when, campaign_id=campaign_id
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
        answer=wire.TrackPurchaseAnswer,
        names=True,
    )
)
async def track_purchase(call: Call) -> wire.TrackPurchaseAnswer:
    email, new = _purchase(EventReader(await call.members(), call.caller))
    told = await call.services.events.record(call.caller, ContactRef(None, email), new)
    return wire.TrackPurchaseAnswer(
        success=True, purchase_id=told.event.id, attribution=_attribution(told), tracked=True
    )


def _purchase(reader: EventReader) -> tuple[str | None, NewEvent]:
    order = reader.spelled("order_id", "orderId")
    reader.required("email", order)
    email, order_id = reader.email(), reader.keep_name(order)
    revenue, currency = _total(reader), reader.currency()
    metadata = without_gaps(
        items=_raw(reader.json("items", "array")),
        message_id=reader.keep(reader.spelled("messageId", "message_id")),
    )
    hours = reader.whole("attribution_window_hours", 1, _MOST_HOURS) or _WINDOW_HOURS
    when = reader.moment("timestamp")
    reader.finish()
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


def _total(reader: EventReader) -> float:
    """Read the total: in cents, as the newest clients send it, or in units, as older ones do."""
    units = reader.spelled("revenue", "amount")
    if not reader.has(units):
        reader.required("total_cents")
        return reader.cents("total_cents") or 0.0
    amount = reader.amount(units) or 0.0
    if reader.has("total_cents") and reader.cents("total_cents") not in (None, amount):
        reader.fault((units,), "Differs from total_cents")
    return amount


def _raw(json: str | None) -> msgspec.Raw | None:
    return None if json is None else msgspec.Raw(json.encode())


def _attribution(told: RecordedEvent) -> wire.Attribution:
    worth = msgspec.json.decode(told.event.body, type=ConversionValue)
    campaign_id = told.event.campaign_id
    source = "direct" if worth.clicked_at is None else "email"
    return wire.Attribution(
        source=source if campaign_id is None else "campaign",
        campaign_id=campaign_id,
        automation_id=None,
        click_timestamp=in_seconds(worth.clicked_at),
    )


ENDPOINTS: Final = (track_event, track_purchase)
