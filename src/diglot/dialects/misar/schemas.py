"""Misar's enumerations and free objects with a named schema, which gives generated clients a type."""

from typing import Any, Final, get_args

from diglot.api.annotations import enumeration_schema, free_form_schema
from diglot.api.patterns import ATTRIBUTE_KEY
from diglot.dialects.misar import pagination
from diglot.dialects.misar.contacts.tiers import Tier
from diglot.dialects.misar.key_format import SCOPES
from diglot.dialects.misar.webhooks.messages import EVENTS, EXTENSION_EVENTS

_EXTENSION_SORTS: Final = [word for word in pagination.SORTS if word != "engagement_asc"]
NAMED_SCHEMAS: Final[dict[str, Any]] = {
    "CustomFields": free_form_schema(
        "Values of any JSON type, by custom field. An update merges them: a field that is left out stays, "
        "and null removes a field.",
        ATTRIBUTE_KEY,
    ),
    "EventData": free_form_schema("Any properties, stored as sent, up to 64 KiB."),
    "FaultsByField": {
        "type": "object",
        "description": "The error messages for each invalid field.",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    },
    "OrderItem": free_form_schema("An item of the order, stored as sent: `name`, `quantity`, `price_cents`."),
    "AttributionSource": enumeration_schema(
        "The source to which a purchase is attributed.", ("campaign", "email", "direct")
    ),
    "ContactSort": enumeration_schema(
        "The order of contacts. Those without a score come last in both orders; ties are newest first.",
        pagination.SORTS,
        _EXTENSION_SORTS,
    ),
    "DeliveryStatus": enumeration_schema(
        "The delivery status of an event.", ("pending", "delivered", "failed")
    ),
    "EngagementTier": enumeration_schema("The tier of a score: a fifth of 0 to 100.", get_args(Tier)),
    "KeyScope": enumeration_schema("A permission of an API key.", SCOPES),
    "MembershipChange": enumeration_schema("Whether a contact entered or left.", ("entered", "left")),
    "YesOrNo": enumeration_schema("A boolean written as text.", ("true", "false")),
    "WebhookEventType": enumeration_schema("A type of webhook event.", EVENTS, EXTENSION_EVENTS),
}
