"""Topmail's words and free objects that have a named schema: generated clients have a type for them."""

from typing import Any, Final

from diglot.api.annotations import enumeration_schema, free_form_schema
from diglot.api.patterns import ATTRIBUTE_KEY
from diglot.dialects.topmail.webhooks.messages import EVENTS, EXTENSION_EVENTS
from diglot.model.events import PURCHASE

CONVERSION_TYPES: Final = (PURCHASE, "signup", "upgrade", "custom")
NAMED_SCHEMAS: Final[dict[str, Any]] = {
    "Attributes": free_form_schema(
        "Values of any JSON type by the keys of the attributes. In a change they merge: a key that is "
        "left out stays, null removes one.",
        ATTRIBUTE_KEY,
    ),
    "Metadata": free_form_schema("Anything, kept as sent: at most 64 KiB."),
    "ConversionType": enumeration_schema("What sort of conversion it is.", CONVERSION_TYPES),
    "MembershipChange": enumeration_schema("Whether a contact came or went.", ("entered", "left")),
    "TriggerEvent": enumeration_schema("What an address is told of.", EVENTS, EXTENSION_EVENTS),
}
