"""Conversions and product views, as on the vendor's pages of these names."""

from typing import Final

import msgspec

from diglot.api import query_string
from diglot.api.dialect import Call
from diglot.api.event_input import EventReader, without_gaps
from diglot.api.formatting import in_milliseconds, whole_if_integral
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination
from diglot.dialects.topmail.conversions import wire
from diglot.dialects.topmail.schemas import TYPES
from diglot.errors import Invalid
from diglot.model.events import EventKind, NewEvent, Told, Wanted, Who, Worth
from diglot.model.ids import read_id

LAST_TOUCH: Final = "last_touch"
_TAG: Final = "conversions"
_VIEW: Final = "product_viewed"
# No page says how long a click counts: a week.
_WINDOW: Final = 7 * 24 * 3_600 * 1_000_000
_encode = msgspec.json.Encoder().encode


@Operation(
    "listConversions",
    "GET",
    "/conversions",
    _TAG,
    "List conversions, newest first",
    scope="conversions:read",
    query=wire.ConversionQuery,
    answer=wire.ConversionListAnswer,
).handled_by
async def list_conversions(call: Call) -> wire.ConversionListAnswer:
    query = call.query
    window = pagination.read(query)
    wanted = Wanted(_contact_id(query), query_string.text(query, "campaign_id"), query.get("type"))
    if wanted.type is not None and wanted.type not in TYPES:
        options = " | ".join(f"'{option}'" for option in TYPES)
        raise Invalid.at(("type",), f"Invalid enum value. Expected {options}")
    page = await call.services.events.conversions(call.caller, wanted, window)
    return wire.ConversionListAnswer(
        [_shown(one) for one in page.items], pagination.shown(window, page.total)
    )


def _contact_id(query: dict[str, str]) -> str | None:
    written = query_string.text(query, "contact_id")
    return None if written is None else read_id(written) or ""


@Operation(
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
).handled_by
async def create_conversion(call: Call) -> wire.ConversionAnswer:
    reader = EventReader(await call.members(), call.caller)
    who, type_ = _who(reader), reader.choice("type", TYPES)
    worth = Worth(
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
        when=reader.moment("converted_at"),
        order_id=reader.keep_name("order_id"),
        campaign_id=reader.keep_name("campaign_id"),
        worth=worth,
        window=_WINDOW,
    )
    reader.finish()
    return wire.ConversionAnswer(_shown(await call.services.events.record(call.caller, who, new)))


def _who(reader: EventReader) -> Who:
    """Read whose event it is: one of two members is enough."""
    contact_id, email = reader.keep("contact_id"), reader.email()
    if not reader.has("contact_id") and not reader.has("email"):
        reader.fault(("email",), "Required: give email or contact_id")
    return Who(None if contact_id is None else read_id(contact_id) or "", email)


def _shown(told: Told) -> wire.Conversion:
    event = told.event
    worth = msgspec.json.decode(event.body, type=Worth)
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


@Operation(
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
).handled_by
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
