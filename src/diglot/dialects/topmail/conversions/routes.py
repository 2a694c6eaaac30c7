"""Conversions and product views, as on the vendor's pages of these names."""

from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import in_milliseconds, whole_if_integral
from diglot.api.input import query_string
from diglot.api.input.events import EventReader, without_gaps
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination
from diglot.dialects.topmail.conversions import wire
from diglot.dialects.topmail.schemas import TYPES
from diglot.errors import Invalid
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
_VIEW: Final = "product_viewed"
# No page says how long a click counts: a week.
_WINDOW: Final = 7 * 24 * 3_600 * 1_000_000
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
        answer=wire.ConversionListAnswer,
    )
)
async def list_conversions(call: Call) -> wire.ConversionListAnswer:
    query = call.query
    window = pagination.read(query)
    wanted = ConversionFilter(_contact_id(query), query_string.text(query, "campaign_id"), query.get("type"))
    if wanted.type is not None and wanted.type not in TYPES:
        options = " | ".join(f"'{option}'" for option in TYPES)
        raise Invalid.at(("type",), f"Invalid enum value. Expected {options}")
    page = await call.services.events.list_conversions(call.caller, wanted, window)
    return wire.ConversionListAnswer(
        [_shown(one) for one in page.items], pagination.shown(window, page.total)
    )


def _contact_id(query: dict[str, str]) -> str | None:
    written = query_string.text(query, "contact_id")
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
        answer=wire.ConversionAnswer,
        names=True,
    )
)
async def create_conversion(call: Call) -> wire.ConversionAnswer:
    reader = EventReader(await call.members(), call.caller)
    who, type_ = _who(reader), reader.choice("type", TYPES)
    worth = ConversionValue(
        revenue=reader.amount("revenue") or 0.0,
        currency=reader.currency(),
        flow_id=reader.keep_name("flow_id"),
        attribution_model=reader.keep_name("attribution_model", 50) or LAST_TOUCH,
        clicked_at=None,
        metadata=msgspec.Raw((reader.json("metadata") or "{}").encode()),
    )
    new = NewEvent(
        EventKind.CONVERSION,
        type_ if isinstance(type_, str) else "custom",
        occurred_at=reader.moment("converted_at"),
        order_id=reader.keep_name("order_id"),
        campaign_id=reader.keep_name("campaign_id"),
        value=worth,
        attribution_window=_WINDOW,
    )
    reader.finish()
    return wire.ConversionAnswer(_shown(await call.services.events.record(call.caller, who, new)))


def _who(reader: EventReader) -> ContactRef:
    """Read whose event it is: one of two members is enough."""
    contact_id, email = reader.keep("contact_id"), reader.email()
    if not reader.has("contact_id") and not reader.has("email"):
        reader.fault(("email",), "Required: give email or contact_id")
    return ContactRef(None if contact_id is None else parse_id(contact_id) or "", email)


def _shown(told: RecordedEvent) -> wire.Conversion:
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
        _time(event.happened_at),
        _time(event.created_at),
    )


def _time(instant: int) -> str:
    shown = in_milliseconds(instant)
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
        answer=wire.ProductViewAnswer,
        names=True,
    )
)
async def track_product_view(call: Call) -> wire.ProductViewAnswer:
    reader = EventReader(await call.members(), call.caller)
    who = _who(reader)
    reader.required("product_id", "product_name", "product_url")
    product_id, product_name = reader.keep_name("product_id"), reader.keep_name("product_name", 200)
    body = without_gaps(
        product_id=product_id,
        product_name=product_name,
        product_url=reader.url("product_url"),
        variant_id=reader.keep("variant_id"),
        image_url=reader.url("image_url"),
        price=reader.amount("price"),
        currency=reader.currency(),
        **{name: reader.keep(name) for name in ("category", "brand", "sku", "session_id")},
    )
    reader.finish()
    assert product_id is not None
    assert product_name is not None
    new = NewEvent(EventKind.VIEW, _VIEW, _encode(body).decode())
    told = await call.services.events.record(call.caller, who, new)
    view = wire.ProductView(
        told.event.id, told.contact_id, product_id, product_name, _time(told.event.happened_at)
    )
    return wire.ProductViewAnswer(view)


ENDPOINTS: Final = (list_conversions, create_conversion, track_product_view)
