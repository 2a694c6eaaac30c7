"""The table of contact fields: every field with a fixed type. Any other name is a custom attribute."""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import NoneType
from typing import Annotated, Any, ClassVar, Final, get_args, get_origin, get_type_hints

import msgspec

from diglot.conditions.text import normalize_name

# Stored core numbers stay below 2^53, so that integers and doubles compare alike in every backend.
NUMBER_LIMIT: Final = float(2**53 - 1)
MAX_TAGS: Final = 50
MAX_TAG_LENGTH: Final = 100
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
    SEGMENTS = "list of segments"


@dataclass(frozen=True, slots=True)
class Field:
    """The properties of a core field besides its name and type.

    `description` is the text of the OpenAPI documents; without one they use the general text for the name.
    `aliases` are other accepted spellings, `max_length` counts code points, and a new contact has `default`.
    A computed field is derived from others, so it has no column and is a ClassVar in the table. The last four
    follow from the row itself.
    """

    kind: FieldKind
    description: str = ""
    aliases: tuple[str, ...] = ()
    max_length: int = 0
    max_value: float = NUMBER_LIMIT
    default: Any = None
    is_writable: bool = True
    name: str = ""
    is_nullable: bool = False
    is_integer: bool = False
    is_computed: bool = False


def _text(max_length: int, description: str, *aliases: str) -> Field:
    return Field(FieldKind.TEXT, description, aliases, max_length=max_length)


def _number(description: str, max_value: float = NUMBER_LIMIT, default: float | None = None) -> Field:
    return Field(FieldKind.NUMBER, description, max_value=max_value, default=default)


def _instant(description: str, alias: str, *, is_writable: bool = True) -> Field:
    return Field(FieldKind.INSTANT, description, (alias,), is_writable=is_writable)


_EMAIL: Final = (
    "The email address, as sent. It is unique within the workspace, whatever its case, and whether its "
    "domain is in letters or in A-labels."
)
_SUBSCRIBED: Final = (
    "Whether the status is `subscribed`. True sets that status; false changes `subscribed` to "
    "`unsubscribed` and keeps any other status."
)
_LISTS: Final = Field(FieldKind.LISTS, "The lists that the contact is on.", ("list_id",), is_writable=False)


class FieldTable(msgspec.Struct, frozen=True, gc=False):
    """The table of contact fields, from which everything else about the fields is derived.

    Columns, rows, both dialects' wire structs, the OpenAPI documents and the field catalogue follow from
    these rows, in this order. `tags` and `attributes` are JSON strings; instants are in microseconds.
    """

    pk: int
    id: str
    email: Annotated[str, _text(254, _EMAIL)]
    first_name: Annotated[str | None, _text(100, "The first name.", "firstName")]
    last_name: Annotated[str | None, _text(100, "The last name.", "lastName")]
    phone: Annotated[str | None, _text(50, "The phone number, as sent.")]
    company: Annotated[str | None, _text(150, "The company that the contact works for.")]
    job_title: Annotated[str | None, _text(100, "The job title of the contact.", "jobTitle")]
    source: Annotated[str | None, _text(100, "The source of the contact, as free text.")]
    status: Annotated[str, Field(FieldKind.CHOICE, default="subscribed")]
    subscribed: ClassVar[Annotated[bool, Field(FieldKind.BOOLEAN, _SUBSCRIBED)]]
    tags: Annotated[str, Field(FieldKind.TAGS, "The contact's tags.", default="[]")]
    lists: ClassVar[Annotated[tuple[str, ...], _LISTS]]
    engagement_score: Annotated[float | None, _number("The engagement of the contact, from 0 to 100.", 100)]
    lead_score: Annotated[float | None, _number("The quality of the lead, from 0 to 100.", 100)]
    total_opens: Annotated[int, _number("The number of emails that the contact opened.", default=0)]
    total_clicks: Annotated[int, _number("The number of clicks on links in emails.", default=0)]
    total_orders: Annotated[int, _number("The number of orders by the contact.", default=0)]
    total_spent: Annotated[float, _number("The total of all orders, in units of the currency.", default=0.0)]
    created_at: Annotated[int, _instant("", "createdAt", is_writable=False)]
    updated_at: Annotated[int, _instant("", "updatedAt", is_writable=False)]
    last_opened_at: Annotated[int | None, _instant("When the contact last opened an email.", "lastOpenedAt")]
    last_clicked_at: Annotated[
        int | None, _instant("When the contact last clicked a link in an email.", "lastClickedAt")
    ]
    last_emailed_at: Annotated[
        int | None, _instant("When an email was last sent to the contact.", "lastEmailedAt")
    ]
    attributes: str


def _read_rows() -> Iterator[Field]:
    for name, hint in get_type_hints(FieldTable, include_extras=True).items():
        is_computed = get_origin(hint) is ClassVar
        kind, *rows = get_args(get_args(hint)[0] if is_computed else hint) or (hint,)
        options = get_args(kind) or (kind,)
        for row in rows:
            yield replace(
                row,
                name=name,
                is_nullable=NoneType in options,
                is_integer=row.kind is FieldKind.NUMBER and int in options,
                is_computed=is_computed,
            )


CATALOGUE: Final = tuple(_read_rows())
STORED_FIELDS: Final = tuple(field for field in CATALOGUE if not field.is_computed)
FIELDS: Final = {field.name: field for field in CATALOGUE}
CANONICAL_NAMES: Final = {
    spelling: field.name for field in CATALOGUE for spelling in (field.name, *field.aliases)
}


def stricter(first: str | None, second: str | None) -> str | None:
    """Return the more restrictive of two statuses; None leaves the second first."""
    if first is None or second is None:
        return first or second
    return max(first, second, key=_STRICTNESS.__getitem__)


def resolve_field(spelling: str) -> str:
    """Return the canonical name of a field; an unknown name is an attribute, `attributes.KEY`."""
    if (name := CANONICAL_NAMES.get(spelling)) is not None:
        return name
    for prefix in _ATTRIBUTE_PREFIXES:
        if spelling.startswith(prefix):
            return ATTRIBUTE_PREFIX + normalize_name(spelling.removeprefix(prefix))
    return ATTRIBUTE_PREFIX + normalize_name(spelling)


def attribute_key(name: str) -> str | None:
    """Return the key of a custom attribute, by its canonical name, or None for another field."""
    return name[len(ATTRIBUTE_PREFIX) :] if name.startswith(ATTRIBUTE_PREFIX) else None


def is_integer_field(name: str) -> bool:
    """Tell whether a stored number, or one of events, is always an integer, by its canonical name."""
    return name not in FIELDS or FIELDS[name].is_integer


def find_key_fault(key: str) -> str | None:
    """Return what is wrong with an attribute key, or None if it is valid."""
    if not 1 <= len(key) <= 100:
        return "An attribute key has 1 to 100 characters"
    if _FORBIDDEN_IN_KEY.search(key):
        return 'An attribute key has no control character, quote (") or backslash'
    return None
