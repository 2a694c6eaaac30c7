"""Misar's words and free objects that have a named schema, so that generated clients have a type for them."""

from typing import Any, Final, get_args

from diglot.api.openapi.annotations import enumeration, free_form
from diglot.api.patterns import ATTRIBUTE_KEY
from diglot.dialects.misar import pagination
from diglot.dialects.misar.contacts.tiers import Tier
from diglot.dialects.misar.key_format import SCOPES
from diglot.dialects.misar.webhooks.messages import EVENTS, OURS

_SORTS_OF_OURS: Final = [word for word in pagination.SORTS if word != "engagement_asc"]
NAMED: Final[dict[str, Any]] = {
    "CustomFields": free_form(
        "Values of any JSON type by the keys of the custom fields. In a change they merge: a key that is "
        "left out stays, null removes one.",
        ATTRIBUTE_KEY,
    ),
    "EventData": free_form("Anything, kept as sent: at most 64 KiB."),
    "FaultsByField": {
        "type": "object",
        "description": "What is wrong with each field that is at fault.",
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    },
    "OrderItem": free_form("A part of the order, kept as sent: `name`, `quantity`, `price_cents`."),
    "AttributionSource": enumeration("What earned a purchase.", ("campaign", "email", "direct")),
    "ContactSort": enumeration(
        "The order of contacts: who has no score comes last either way, equals stand newest first.",
        pagination.SORTS,
        _SORTS_OF_OURS,
    ),
    "DeliveryStatus": enumeration("Whether an event was received.", ("pending", "delivered", "failed")),
    "EngagementTier": enumeration("Which fifth of 0 to 100 a score lies in.", get_args(Tier)),
    "KeyScope": enumeration("What a key may do.", SCOPES),
    "MembershipChange": enumeration("Whether a contact came or went.", ("entered", "left")),
    "YesOrNo": enumeration("Yes or no where there is only text.", ("true", "false")),
    "WebhookEventType": enumeration("What a webhook is told of.", EVENTS, OURS),
}
