"""The field catalogue: every contact field with a fixed type. Any other name is a custom attribute."""

import enum
import re
from dataclasses import dataclass
from typing import Final

# Stored core numbers stay below 2^53, so that integers and doubles compare alike in every backend.
NUMBER_LIMIT: Final = float(2**53 - 1)
ATTRIBUTE_PREFIX: Final = "attributes."
_ATTRIBUTE_PREFIXES: Final = (ATTRIBUTE_PREFIX, "custom_fields.", "customFields.")
_FORBIDDEN_IN_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f\"\\\ud800-\udfff]")

# From the least to the most restrictive.
STATUSES: Final = ("subscribed", "unsubscribed", "bounced", "complained")
STATUS_ALIASES: Final = {"active": "subscribed"}
_STRICTNESS: Final = {status: rank for rank, status in enumerate(STATUSES)}


class FieldKind(enum.Enum):
    """The type of a field, which determines its operators and operands."""

    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    TAGS = "list of text"
    LISTS = "list of ids"
    NUMBER = "number"
    INSTANT = "instant"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class Field:
    """A core field.

    `aliases` are other accepted spellings; `max_length` counts code points; an `is_integer` number has no
    fraction.
    """

    name: str
    kind: FieldKind
    aliases: tuple[str, ...] = ()
    max_length: int = 0
    is_integer: bool = False
    max_value: float = NUMBER_LIMIT


CATALOGUE: Final = (
    Field("email", FieldKind.TEXT, max_length=254),
    Field("first_name", FieldKind.TEXT, ("firstName",), max_length=100),
    Field("last_name", FieldKind.TEXT, ("lastName",), max_length=100),
    Field("phone", FieldKind.TEXT, max_length=50),
    Field("company", FieldKind.TEXT, max_length=150),
    Field("job_title", FieldKind.TEXT, ("jobTitle",), max_length=100),
    Field("source", FieldKind.TEXT, max_length=100),
    Field("status", FieldKind.CHOICE),
    Field("subscribed", FieldKind.BOOLEAN),
    Field("tags", FieldKind.TAGS),
    Field("lists", FieldKind.LISTS, ("list_id",)),
    Field("engagement_score", FieldKind.NUMBER, max_value=100),
    Field("lead_score", FieldKind.NUMBER, max_value=100),
    Field("total_opens", FieldKind.NUMBER, is_integer=True),
    Field("total_clicks", FieldKind.NUMBER, is_integer=True),
    Field("total_orders", FieldKind.NUMBER, is_integer=True),
    Field("total_spent", FieldKind.NUMBER),
    Field("created_at", FieldKind.INSTANT, ("createdAt",)),
    Field("updated_at", FieldKind.INSTANT, ("updatedAt",)),
    Field("last_opened_at", FieldKind.INSTANT, ("lastOpenedAt",)),
    Field("last_clicked_at", FieldKind.INSTANT, ("lastClickedAt",)),
    Field("last_emailed_at", FieldKind.INSTANT, ("lastEmailedAt",)),
)
FIELDS: Final = {field.name: field for field in CATALOGUE}
CANONICAL_NAMES: Final = {
    spelling: field.name for field in CATALOGUE for spelling in (field.name, *field.aliases)
}


def stricter(one: str | None, other: str | None) -> str | None:
    """Return the more restrictive of two statuses; None leaves the other one."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=_STRICTNESS.__getitem__)


def resolve_field(spelling: str) -> str:
    """Return the canonical name of a field; an unknown name is an attribute, `attributes.KEY`."""
    if (name := CANONICAL_NAMES.get(spelling)) is not None:
        return name
    for prefix in _ATTRIBUTE_PREFIXES:
        if spelling.startswith(prefix):
            return ATTRIBUTE_PREFIX + spelling.removeprefix(prefix)
    return ATTRIBUTE_PREFIX + spelling


def kind_of(name: str) -> FieldKind:
    """Return the kind of a field by its canonical name."""
    return FIELDS[name].kind if name in FIELDS else FieldKind.ATTRIBUTE


def attribute_key(name: str) -> str | None:
    """Return the key of a custom attribute, or None for a core field."""
    return None if name in FIELDS else name.removeprefix(ATTRIBUTE_PREFIX)


def find_key_fault(key: str) -> str | None:
    """Return what is wrong with an attribute key, or None if it is valid."""
    if not 1 <= len(key) <= 100:
        return "An attribute key has 1 to 100 characters"
    if _FORBIDDEN_IN_KEY.search(key):
        return 'An attribute key has no control character, quote (") or backslash'
    return None
