"""Misar's words and free objects that have a named schema, so that generated clients have a type for them."""

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
        "Values of any JSON type by the keys of the custom fields. In a change they merge: a key that is "
        "left out stays, null removes one.",
        ATTRIBUTE_KEY,
    ),
    "EventData": free_form_schema("Anything, kept as sent: at most 64 KiB."),
    "FaultsByField": {
        "type": "object",
        "description": "What is wrong with each field that is at fault.",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    },
    "OrderItem": free_form_schema("A part of the order, kept as sent: `name`, `quantity`, `price_cents`."),
    "AttributionSource": enumeration_schema("What earned a purchase.", ("campaign", "email", "direct")),
    "ContactSort": enumeration_schema(
        "The order of contacts: who has no score comes last either way, equals stand newest first.",
        pagination.SORTS,
        _EXTENSION_SORTS,
    ),
    "DeliveryStatus": enumeration_schema(
        "Whether an event was received.", ("pending", "delivered", "failed")
    ),
    "EngagementTier": enumeration_schema("Which fifth of 0 to 100 a score lies in.", get_args(Tier)),
    "KeyScope": enumeration_schema("What a key may do.", SCOPES),
    "MembershipChange": enumeration_schema("Whether a contact came or went.", ("entered", "left")),
    "YesOrNo": enumeration_schema("Yes or no where there is only text.", ("true", "false")),
    "WebhookEventType": enumeration_schema("What a webhook is told of.", EVENTS, EXTENSION_EVENTS),
}
