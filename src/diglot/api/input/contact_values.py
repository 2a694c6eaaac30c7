"""The types of contact fields in bodies: their limits, and readers for what a schema cannot say."""

from typing import Annotated, Any, Final

from msgspec import Meta

from diglot.api.annotations import choice_ref, converted_by, read_by, refused_as, synonyms
from diglot.api.patterns import EMAIL
from diglot.conditions import dates, text
from diglot.conditions.dates import ParsedDate
from diglot.conditions.fields import FIELDS, MAX_TAG_LENGTH, MAX_TAGS, STATUS_ALIASES, STATUSES
from diglot.conditions.operands import OperandError, find_text_fault, json_type_name, wrong_type_error

INSTANT_FAULT: Final = "Invalid date: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ"


def read_tags(value: Any) -> list[str]:
    """Return tags without duplicates, which do not count toward the limit; a fault names the list.

    Raise `OperandError`.
    """
    if not isinstance(value, list):
        raise wrong_type_error("array", value)
    tags: dict[str, str] = {}
    for tag in value:
        if not isinstance(tag, str):
            raise wrong_type_error("array of strings, an element", tag)
        if find_text_fault(tag) is not None or text.is_blank(tag) or len(tag) > MAX_TAG_LENGTH:
            raise OperandError(
                f"A tag has 1 to {MAX_TAG_LENGTH} characters, is not blank and holds no U+0000"
            )
        tags.setdefault(text.to_nfc(tag), tag)
    if len(tags) > MAX_TAGS:
        raise OperandError(f"Array must contain at most {MAX_TAGS} element(s)")
    return list(tags.values())


def read_instant(value: Any) -> ParsedDate:
    """Return a date or an instant, which the time zone of the workspace completes; raise `OperandError`."""
    if not isinstance(value, str):
        raise OperandError(f"Expected string, received {json_type_name(value)}")
    if (parsed := dates.parse_to_microsecond(value)) is None:
        raise OperandError(INSTANT_FAULT)
    return parsed


Email = Annotated[
    str,
    Meta(max_length=FIELDS["email"].max_length, pattern=EMAIL, examples=["ada@example.com"]),
    refused_as("Invalid email"),
    converted_by(text.normalize_email),
]
StatusWord = Annotated[str, choice_ref("ContactStatus", STATUSES), synonyms(STATUS_ALIASES)]
TagList = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=MAX_TAG_LENGTH)]],
    Meta(max_length=MAX_TAGS),
    read_by(read_tags),
]
