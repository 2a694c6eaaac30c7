"""The catalogue of fields: every contact property with a fixed type. Anything else is an attribute."""

import enum
import re
from dataclasses import dataclass
from typing import Final

# Stored numbers of the catalogue stay below 2^53, so that integers and doubles compare alike everywhere.
NUMBER_LIMIT: Final = float(2**53 - 1)
ATTRIBUTE_PREFIX: Final = "attributes."
_ATTRIBUTE_PREFIXES: Final = (ATTRIBUTE_PREFIX, "custom_fields.", "customFields.")
_BAD_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f\"\\\ud800-\udfff]")

# From the one that allows most to the strictest.
STATUSES: Final = ("subscribed", "unsubscribed", "bounced", "complained")
STATUS_ALIASES: Final = {"active": "subscribed"}
_STRICTNESS: Final = {status: rank for rank, status in enumerate(STATUSES)}


class Kind(enum.Enum):
    """The type of a field, which decides the operators and operands it takes."""

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
    """One row of the catalogue.

    `other` holds further spellings; `longest` counts code points; `whole` numbers have no fraction.
    """

    name: str
    kind: Kind
    other: tuple[str, ...] = ()
    longest: int = 0
    whole: bool = False
    greatest: float = NUMBER_LIMIT


CATALOGUE: Final = (
    Field("email", Kind.TEXT, longest=254),
    Field("first_name", Kind.TEXT, ("firstName",), longest=100),
    Field("last_name", Kind.TEXT, ("lastName",), longest=100),
    Field("phone", Kind.TEXT, longest=50),
    Field("company", Kind.TEXT, longest=150),
    Field("job_title", Kind.TEXT, ("jobTitle",), longest=100),
    Field("source", Kind.TEXT, longest=100),
    Field("status", Kind.CHOICE),
    Field("subscribed", Kind.BOOLEAN),
    Field("tags", Kind.TAGS),
    Field("lists", Kind.LISTS, ("list_id",)),
    Field("engagement_score", Kind.NUMBER, greatest=100),
    Field("lead_score", Kind.NUMBER, greatest=100),
    Field("total_opens", Kind.NUMBER, whole=True),
    Field("total_clicks", Kind.NUMBER, whole=True),
    Field("total_orders", Kind.NUMBER, whole=True),
    Field("total_spent", Kind.NUMBER),
    Field("created_at", Kind.INSTANT, ("createdAt",)),
    Field("updated_at", Kind.INSTANT, ("updatedAt",)),
    Field("last_opened_at", Kind.INSTANT, ("lastOpenedAt",)),
    Field("last_clicked_at", Kind.INSTANT, ("lastClickedAt",)),
    Field("last_emailed_at", Kind.INSTANT, ("lastEmailedAt",)),
)
FIELDS: Final = {field.name: field for field in CATALOGUE}
SPELLINGS: Final = {spelling: field.name for field in CATALOGUE for spelling in (field.name, *field.other)}


def stricter(one: str | None, other: str | None) -> str | None:
    """Return the stricter of two statuses; None says nothing."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=_STRICTNESS.__getitem__)


def resolve(written: str) -> str:
    """Return the canonical name of a field as written; a custom attribute becomes `attributes.KEY`."""
    if (name := SPELLINGS.get(written)) is not None:
        return name
    for prefix in _ATTRIBUTE_PREFIXES:
        if written.startswith(prefix):
            return ATTRIBUTE_PREFIX + written.removeprefix(prefix)
    return ATTRIBUTE_PREFIX + written


def kind_of(name: str) -> Kind:
    """Return the kind of a field given by its canonical name."""
    return FIELDS[name].kind if name in FIELDS else Kind.ATTRIBUTE


def attribute_key(name: str) -> str | None:
    """Return the key of a custom attribute, or None where the name is of the catalogue."""
    return None if name in FIELDS else name.removeprefix(ATTRIBUTE_PREFIX)


def key_fault(key: str) -> str | None:
    """Say what is wrong with an attribute key, or None where it is legal."""
    if not 1 <= len(key) <= 100:
        return "An attribute key has 1 to 100 characters"
    if _BAD_KEY.search(key):
        return 'An attribute key has no control character, quote (") or backslash'
    return None
