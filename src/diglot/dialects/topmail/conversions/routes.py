"""Calls on conversions and product views, from the vendor's pages with these names, and on other events."""

from typing import Final

import msgspec
from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_milliseconds, whole_if_integral
from diglot.api.input.body_reader import BodyReader
from diglot.api.input.events import read_occurred_at, without_unset
from diglot.api.operation import Operation
from diglot.conditions.text import to_nfc
from diglot.dialects.topmail import pagination
from diglot.dialects.topmail.conversions import wire
from diglot.model.events import (
    ACTIVITIES,
    ContactRef,
    ConversionFilter,
    ConversionValue,
    EventKind,
    NewEvent,
    RecordedEvent,
)
from diglot.model.ids import parse_id

# These properties are checked in this order, before the other properties of the struct.
_READING_ORDER: Final = (
    "type",
    "revenue",
    "currency",
    "flow_id",
    "attribution_model",
    "metadata",
    "converted_at",
)
_TAG: Final = "conversions"
_VIEW_EVENT: Final = "product_viewed"
# The vendor does not document the attribution window; Diglot uses a week.
_ATTRIBUTION_WINDOW: Final = 7 * 24 * 3_600 * 1_000_000
# The stored fields of a view, in this order.
_VIEW_MEMBERS: Final = (
    *("product_id", "product_name", "product_url", "variant_id", "image_url", "price", "currency"),
    *("category", "brand", "sku", "session_id"),
)
_encode = msgspec.json.Encoder().encode


class _Product(msgspec.Struct):
    """What a view that was recorded before says of its product."""

    product_id: str
    product_name: str


@handles(
    Operation(
        "listConversions",
        "GET",
        "/conversions",
        _TAG,
        "List conversions, newest first",
        scope="conversions:read",
        query=wire.ConversionQuery,
        response=wire.ConversionListAnswer,
    )
)
async def list_conversions(call: Call) -> wire.ConversionListAnswer:
    query = call.read_query(wire.ConversionQuery)
    window = pagination.to_window(query)
    contact_id = None if query.contact_id is UNSET else parse_id(query.contact_id) or ""
    campaign_id, type_ = (None if word is UNSET else word for word in (query.campaign_id, query.type))
    wanted = ConversionFilter(contact_id, campaign_id, type_)
    page = await call.services.events.list_conversions(call.caller, wanted, window)
    return wire.ConversionListAnswer(
        [_to_wire(conversion) for conversion in page.items], pagination.to_pagination(window, page.total)
    )


@handles(
    Operation(
        "createConversion",
        "POST",
        "/conversions",
        _TAG,
        "Record a conversion; an order counts once, even if it is sent again",
        scope="conversions:write",
        status=201,
        body=wire.ConversionCreate,
        response=wire.ConversionAnswer,
        may_conflict=True,
        body_references=True,
    )
)
async def create_conversion(call: Call) -> wire.ConversionAnswer:
    reader = BodyReader(await call.read_object(), omit_nulls=True)
    contact = _read_contact_ref(reader)
    reader.read(wire.ConversionCreate, *_READING_ORDER)
    body = reader.read(wire.ConversionCreate)
    reader.raise_faults()
    new = NewEvent(
        EventKind.CONVERSION,
        body.type or "",
        occurred_at=read_occurred_at(body.converted_at, "converted_at", call.caller.zone),
        order_id=body.order_id or None,
        campaign_id=body.campaign_id or None,
        value=_build_value(reader, body),
        attribution_window=_ATTRIBUTION_WINDOW,
        event_id=body.event_id or None,
    )
    return wire.ConversionAnswer(_to_wire(await call.services.events.record(call.caller, contact, new)))


def _build_value(reader: BodyReader, body: wire.ConversionCreate) -> ConversionValue:
    assert isinstance(body.currency, str)
    return ConversionValue(
        revenue=body.revenue or 0.0,
        currency=body.currency.upper(),
        flow_id=body.flow_id or None,
        attribution_model=body.attribution_model or "",
        clicked_at=None,
        metadata=reader.json_of("metadata") or msgspec.Raw(b"{}"),
    )


def _read_contact_ref(reader: BodyReader) -> ContactRef:
    """Read the contact of an event from `email` or `contact_id`; either is enough."""
    body = reader.read(wire.OfContact, "contact_id", "email")
    if not reader.has("contact_id") and not reader.has("email"):
        reader.add_fault(("email",), "Required: give email or contact_id")
    contact_id = body.contact_id
    return ContactRef(parse_id(contact_id) or "" if isinstance(contact_id, str) else None, body.email or None)


def _to_wire(recorded: RecordedEvent) -> wire.Conversion:
    event = recorded.event
    worth = msgspec.json.decode(event.body, type=ConversionValue)
    campaign, flow = event.campaign_id, worth.flow_id
    return wire.Conversion(
        event.id,
        event.name,
        whole_if_integral(worth.revenue) or 0,
        worth.currency,
        event.order_id,
        wire.ContactName(recorded.contact_id, recorded.email),
        None if campaign is None else wire.Source(campaign, None),
        None if flow is None else wire.Source(flow, None),
        worth.attribution_model,
        worth.metadata,
        _format_time(event.happened_at),
        _format_time(event.created_at),
    )


def _format_time(instant: int) -> str:
    shown = format_milliseconds(instant)
    assert shown is not None
    return shown


@handles(
    Operation(
        "trackProductView",
        "POST",
        "/track/product-view",
        _TAG,
        "Record that a contact viewed a product",
        scope="conversions:write",
        status=201,
        body=wire.ProductViewCreate,
        response=wire.ProductViewAnswer,
        may_conflict=True,
        body_references=True,
    )
)
async def track_product_view(call: Call) -> wire.ProductViewAnswer:
    reader = BodyReader(await call.read_object(), omit_nulls=True)
    contact = _read_contact_ref(reader)
    body = reader.read(wire.ProductViewCreate)
    reader.raise_faults()
    assert isinstance(body.currency, str)
    kept = {name: getattr(body, name) for name in _VIEW_MEMBERS} | {"currency": body.currency.upper()}
    written = _encode(without_unset(**kept)).decode()
    new = NewEvent(EventKind.VIEW, _VIEW_EVENT, written, event_id=body.event_id or None)
    recorded = await call.services.events.record(call.caller, contact, new)
    product = msgspec.json.decode(recorded.event.body, type=_Product)
    view = wire.ProductView(
        recorded.event.id,
        recorded.contact_id,
        product.product_id,
        product.product_name,
        _format_time(recorded.event.happened_at),
    )
    return wire.ProductViewAnswer(view)


@handles(
    Operation(
        "createEvent",
        "POST",
        "/track/event",
        _TAG,
        "Record an event of a contact, of any name (an extension)",
        scope="conversions:write",
        status=201,
        body=wire.EventCreate,
        response=wire.TrackedEventAnswer,
        may_conflict=True,
        body_references=True,
        extension=True,
    )
)
async def create_event(call: Call) -> wire.TrackedEventAnswer:
    reader = BodyReader(await call.read_object(), omit_nulls=True)
    contact = _read_contact_ref(reader)
    reader.read(wire.EventCreate, "name", "properties")
    body = reader.read(wire.EventCreate)
    reader.raise_faults()
    new = NewEvent(
        ACTIVITIES.get(body.name, EventKind.OTHER),
        to_nfc(body.name),
        _encode(without_unset(data=reader.json_of("properties"))).decode(),
        occurred_at=read_occurred_at(body.occurred_at, "occurred_at", call.caller.zone),
        campaign_id=body.campaign_id or None,
        event_id=body.event_id or None,
    )
    recorded = await call.services.events.record(call.caller, contact, new)
    event = recorded.event
    shown = wire.TrackedEvent(event.id, recorded.contact_id, event.name, _format_time(event.happened_at))
    return wire.TrackedEventAnswer(shown)


ENDPOINTS: Final = (list_conversions, create_conversion, track_product_view, create_event)
