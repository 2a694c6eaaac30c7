"""Conversions and product views, as on the vendor's pages of these names."""

from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_milliseconds, whole_if_integral
from diglot.api.input import query_string
from diglot.api.input.events import EventBodyReader, without_none
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination
from diglot.dialects.topmail.conversions import wire
from diglot.dialects.topmail.schemas import CONVERSION_TYPES
from diglot.errors import InvalidInput
from diglot.model.events import (
    ContactRef,
    ConversionFilter,
    ConversionValue,
    EventKind,
    NewEvent,
    RecordedEvent,
)
from diglot.model.ids import parse_id

LAST_TOUCH: Final = "last_touch"
_TAG: Final = "conversions"
_VIEW_EVENT: Final = "product_viewed"
# No page says how long a click counts: a week.
_ATTRIBUTION_WINDOW: Final = 7 * 24 * 3_600 * 1_000_000
_encode = msgspec.json.Encoder().encode


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
    query = call.query_parameters
    window = pagination.read_window(query)
    wanted = ConversionFilter(
        _read_contact_id(query), query_string.read_text(query, "campaign_id"), query.get("type")
    )
    if wanted.type is not None and wanted.type not in CONVERSION_TYPES:
        options = " | ".join(f"'{option}'" for option in CONVERSION_TYPES)
        raise InvalidInput.at(("type",), f"Invalid enum value. Expected {options}")
    page = await call.services.events.list_conversions(call.caller, wanted, window)
    return wire.ConversionListAnswer(
        [_to_wire(one) for one in page.items], pagination.to_pagination(window, page.total)
    )


def _read_contact_id(query: dict[str, str]) -> str | None:
    written = query_string.read_text(query, "contact_id")
    return None if written is None else parse_id(written) or ""


@handles(
    Operation(
        "createConversion",
        "POST",
        "/conversions",
        _TAG,
        "Tell of a conversion; an order counts once, however often it is told",
        scope="conversions:write",
        status=201,
        body=wire.ConversionCreate,
        response=wire.ConversionAnswer,
        body_references=True,
    )
)
async def create_conversion(call: Call) -> wire.ConversionAnswer:
    reader = EventBodyReader(await call.read_object(), call.caller)
    who, type_ = _read_contact_ref(reader), reader.read_choice("type", CONVERSION_TYPES)
    worth = ConversionValue(
        revenue=reader.read_amount("revenue") or 0.0,
        currency=reader.read_currency(),
        flow_id=reader.read_optional_name("flow_id"),
        attribution_model=reader.read_optional_name("attribution_model", 50) or LAST_TOUCH,
        clicked_at=None,
        metadata=msgspec.Raw((reader.read_json("metadata") or "{}").encode()),
    )
    new = NewEvent(
        EventKind.CONVERSION,
        type_ if isinstance(type_, str) else "custom",
        occurred_at=reader.read_instant("converted_at"),
        order_id=reader.read_optional_name("order_id"),
        campaign_id=reader.read_optional_name("campaign_id"),
        value=worth,
        attribution_window=_ATTRIBUTION_WINDOW,
    )
    reader.raise_faults()
    return wire.ConversionAnswer(_to_wire(await call.services.events.record(call.caller, who, new)))


def _read_contact_ref(reader: EventBodyReader) -> ContactRef:
    """Read whose event it is: one of two members is enough."""
    contact_id, email = reader.read_optional_text("contact_id"), reader.read_email()
    if not reader.has("contact_id") and not reader.has("email"):
        reader.add_fault(("email",), "Required: give email or contact_id")
    return ContactRef(None if contact_id is None else parse_id(contact_id) or "", email)


def _to_wire(told: RecordedEvent) -> wire.Conversion:
    event = told.event
    worth = msgspec.json.decode(event.body, type=ConversionValue)
    campaign, flow = event.campaign_id, worth.flow_id
    return wire.Conversion(
        event.id,
        event.name,
        whole_if_integral(worth.revenue) or 0,
        worth.currency,
        event.order_id,
        wire.ContactName(told.contact_id, told.email),
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
        "Tell that a contact looked at a product",
        scope="conversions:write",
        status=201,
        body=wire.ProductViewCreate,
        response=wire.ProductViewAnswer,
        body_references=True,
    )
)
async def track_product_view(call: Call) -> wire.ProductViewAnswer:
    reader = EventBodyReader(await call.read_object(), call.caller)
    who = _read_contact_ref(reader)
    reader.require("product_id", "product_name", "product_url")
    product_id, product_name = (
        reader.read_optional_name("product_id"),
        reader.read_optional_name("product_name", 200),
    )
    body = without_none(
        product_id=product_id,
        product_name=product_name,
        product_url=reader.read_url("product_url"),
        variant_id=reader.read_optional_text("variant_id"),
        image_url=reader.read_url("image_url"),
        price=reader.read_amount("price"),
        currency=reader.read_currency(),
        **{name: reader.read_optional_text(name) for name in ("category", "brand", "sku", "session_id")},
    )
    reader.raise_faults()
    assert product_id is not None
    assert product_name is not None
    new = NewEvent(EventKind.VIEW, _VIEW_EVENT, _encode(body).decode())
    told = await call.services.events.record(call.caller, who, new)
    view = wire.ProductView(
        told.event.id, told.contact_id, product_id, product_name, _format_time(told.event.happened_at)
    )
    return wire.ProductViewAnswer(view)


ENDPOINTS: Final = (list_conversions, create_conversion, track_product_view)
