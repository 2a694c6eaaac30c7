"""The call that receives webhooks of the vendor, in every dialect.

It has no API key, because a vendor sends none: the path names a source that the operator made, whose secret
verifies the signature of the body. A dialect gives its scheme, and a table of the vendor's types.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec

from diglot.api.annotations import choice_ref, enumeration_schema
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.clock import is_in_future
from diglot.conditions import dates
from diglot.conditions.addresses import normalize_address
from diglot.model.events import EventKind, NewEvent, OccurredAt
from diglot.service.contacts.received_webhooks import Outcome, ReceivedEvent

log = logging.getLogger("diglot")
_OUTCOMES: Final = tuple(each.value for each in Outcome)
SCHEMAS: Final[dict[str, Any]] = {
    "WebhookOutcome": enumeration_schema(
        "What became of the webhook: `no_contact` if nobody has its address, `ignored` if its type says "
        "nothing about a contact.",
        _OUTCOMES,
    )
}
# Where the vendors' messages and those of their older versions have the address of the recipient.
_EMAIL_KEYS: Final = ("email", "recipient", "to")
_BOUNCED: Final = "bounced"
# What a bounce says that may pass.
_SOFT_BOUNCES: Final = frozenset({"soft", "transient", "temporary"})
_BOUNCE_KEYS: Final = ("bounce_type", "bounceType", "type")
_MAX_ID: Final = 100
_encode: Final = msgspec.json.Encoder().encode


class ReceivedWebhook(msgspec.Struct, frozen=True):
    """What became of a webhook."""

    outcome: Annotated[str, choice_ref("WebhookOutcome", _OUTCOMES)]


class ReceivedType(msgspec.Struct, frozen=True):
    """What a type of webhook is: the name and the kind of its event, and the status that it lowers to."""

    name: str
    kind: EventKind = EventKind.OTHER
    lowers: str | None = None


class VendorMessage(msgspec.Struct, frozen=True):
    """A message of the vendor: its type, an id that its signature covers, when it was made, and its data."""

    type: str
    id: str
    created_at: str | None
    data: Mapping[str, Any]


class ReceivedFormat(msgspec.Struct, frozen=True):
    """How a dialect reads messages of its vendor: the struct of the body, its reader, and the types."""

    dialect: str
    body: type[msgspec.Struct]
    read: Callable[[Any, bytes], VendorMessage]
    types: Mapping[str, ReceivedType]


def build_endpoint(
    form: ReceivedFormat, scope: str, define_answer: Callable[..., type[msgspec.Struct]], envelope: Any
) -> Endpoint:
    """Return the endpoint of a dialect that receives webhooks of its vendor."""
    answer = define_answer("ReceivedWebhookAnswer", "The webhook is acknowledged.", ReceivedWebhook)

    async def receive(call: Call) -> msgspec.Struct:
        reader = BodyReader(await call.read_object(), omit_nulls=True)
        body = reader.read(form.body)
        reader.raise_faults()
        outcome = await _receive(call, form, form.read(body, await call.read_body()))
        return answer(**envelope, data=ReceivedWebhook(outcome.value))

    operation = Operation(
        "receiveWebhook",
        "POST",
        "/webhooks-in/{source_id:str}",
        "webhooks",
        "Receive a webhook of the vendor, verified by its signature (an extension)",
        scope=scope,
        body=form.body,
        response=answer,
        is_signed=True,
        extension=True,
    )
    return Endpoint(operation, receive)


async def _receive(call: Call, form: ReceivedFormat, message: VendorMessage) -> Outcome:
    received = _to_event(call, form, message)
    if received is None:
        outcome = Outcome.IGNORED
    else:
        outcome = await call.services.received_webhooks.receive(call.caller, received)
    call.note_received(outcome.value)
    # Without the address, which does not belong into a log.
    log.info("webhook %r to source %s: %s", message.type, call.caller.key, outcome.value)
    return outcome


def _to_event(call: Call, form: ReceivedFormat, message: VendorMessage) -> ReceivedEvent | None:
    """Return the event that a message tells of; None if its type or its data name no contact's event."""
    type_, email = form.types.get(message.type), _find_email(message.data)
    if type_ is None or email is None:
        return None
    campaign = message.data.get("campaign_id")
    new = NewEvent(
        type_.kind,
        type_.name,
        _encode({"data": message.data}).decode(),
        occurred_at=_find_time(call, message),
        campaign_id=campaign if isinstance(campaign, str) and 0 < len(campaign) <= _MAX_ID else None,
        event_id=message.id,
        sender=form.dialect,
    )
    is_soft = type_.lowers == _BOUNCED and _may_pass(message.data)
    return ReceivedEvent(normalize_address(email), new, None if is_soft else type_.lowers)


def _find_email(data: Mapping[str, Any]) -> str | None:
    contact = data.get("contact")
    places = (data, contact) if isinstance(contact, dict) else (data,)
    found = (place.get(key) for place in places for key in _EMAIL_KEYS)
    return next((email for email in found if isinstance(email, str) and email), None)


def _may_pass(data: Mapping[str, Any]) -> bool:
    """Tell whether a bounce is a soft one, after which mail may arrive."""
    words = (data.get(key) for key in _BOUNCE_KEYS)
    return any(isinstance(word, str) and word.lower() in _SOFT_BOUNCES for word in words)


def _find_time(call: Call, message: VendorMessage) -> OccurredAt | None:
    """Return when it happened as far as the message says; a time to come is now."""
    for written in (message.data.get("timestamp"), message.created_at):
        parsed = dates.parse_to_microsecond(written) if isinstance(written, str) else None
        if parsed is not None:
            instant = parsed.to_instant(call.caller.zone)
            if not is_in_future(instant, call.services.received_webhooks.clock()):
                return OccurredAt(instant, ("timestamp",))
    return None
