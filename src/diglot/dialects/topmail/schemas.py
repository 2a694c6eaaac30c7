"""Topmail's enumerations and free objects with a named schema, which gives generated clients a type."""

from typing import Any, Final

from diglot.api.annotations import enumeration_schema, free_form_schema
from diglot.api.patterns import ATTRIBUTE_KEY
from diglot.dialects.topmail.webhooks.messages import EVENTS, EXTENSION_EVENTS
from diglot.model.events import PURCHASE

CONVERSION_TYPES: Final = (PURCHASE, "signup", "upgrade", "custom")
NAMED_SCHEMAS: Final[dict[str, Any]] = {
    "Attributes": free_form_schema(
        "Values of any JSON type, by attribute. An update merges them: an attribute that is left out stays, "
        "and null removes an attribute.",
        ATTRIBUTE_KEY,
    ),
    "Metadata": free_form_schema("Any properties, stored as sent, up to 64 KiB."),
    "ConversionType": enumeration_schema("The type of a conversion.", CONVERSION_TYPES),
    "MembershipChange": enumeration_schema("Whether a contact entered or left.", ("entered", "left")),
    "TriggerEvent": enumeration_schema(
        "A type of event that an address can receive.", EVENTS, EXTENSION_EVENTS
    ),
}
