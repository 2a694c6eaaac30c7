"""Topmail's words and free objects that have a named schema: generated clients have a type for them."""

from typing import Any, Final

from diglot.api.openapi.annotations import enumeration, free_form
from diglot.api.patterns import ATTRIBUTE_KEY
from diglot.dialects.topmail.webhooks.messages import EVENTS, OURS
from diglot.model.events import PURCHASE

TYPES: Final = (PURCHASE, "signup", "upgrade", "custom")
NAMED: Final[dict[str, Any]] = {
    "Attributes": free_form(
        "Values of any JSON type by the keys of the attributes. In a change they merge: a key that is "
        "left out stays, null removes one.",
        ATTRIBUTE_KEY,
    ),
    "Metadata": free_form("Anything, kept as sent: at most 64 KiB."),
    "ConversionType": enumeration("What sort of conversion it is.", TYPES),
    "MembershipChange": enumeration("Whether a contact came or went.", ("entered", "left")),
    "TriggerEvent": enumeration("What an address is told of.", EVENTS, OURS),
}
