"""The types of contact fields in bodies: their limits, and readers for what a schema cannot say."""

from typing import Annotated, Any, Final

from msgspec import Meta

from diglot.api.annotations import checked_by, choice_ref, converted_by, read_by, refused_as, synonyms
from diglot.api.patterns import EMAIL
from diglot.conditions import addresses, dates, text
from diglot.conditions.dates import ParsedDate
from diglot.conditions.fields import FIELDS, MAX_TAG_LENGTH, MAX_TAGS, STATUS_ALIASES, STATUSES
from diglot.conditions.operands import OperandError, json_type_name, wrong_type_error
from diglot.conditions.text import find_text_fault

INSTANT_FAULT: Final = "Invalid date: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ"


def read_tags(value: Any) -> list[str]:
    """Return tags in stored form, without duplicates, which do not count toward the limit.

    A fault names the list.

    Raise `OperandError`.
    """
    if not isinstance(value, list):
        raise wrong_type_error("array", value)
    tags: dict[str, None] = {}
    for tag in value:
        if not isinstance(tag, str):
            raise wrong_type_error("array of strings, an element", tag)
        name = text.normalize_name(tag)
        if find_text_fault(name) is not None or not 1 <= len(name) <= MAX_TAG_LENGTH:
            raise OperandError(
                f"A tag has 1 to {MAX_TAG_LENGTH} characters, is not blank and holds no U+0000"
            )
        tags[name] = None
    if len(tags) > MAX_TAGS:
        raise OperandError(f"Array must contain at most {MAX_TAGS} element(s)")
    return list(tags)


def read_instant(value: Any) -> ParsedDate:
    """Return a date or an instant, which the time zone of the workspace completes; raise `OperandError`."""
    if not isinstance(value, str):
        raise OperandError(f"Expected string, received {json_type_name(value)}")
    if (parsed := dates.parse_to_microsecond(value)) is None:
        raise OperandError(INSTANT_FAULT)
    return parsed


# The address of a contact, as sent.
Email = Annotated[
    str,
    Meta(max_length=FIELDS["email"].max_length, pattern=EMAIL, examples=["ada@example.com"]),
    refused_as(addresses.ADDRESS_FAULT),
    checked_by(addresses.find_address_fault),
]
# An address that names a contact, in the form in which addresses are compared.
EmailOfContact = Annotated[Email, converted_by(addresses.normalize_address)]
StatusWord = Annotated[str, choice_ref("ContactStatus", STATUSES), synonyms(STATUS_ALIASES)]
TagList = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=MAX_TAG_LENGTH)]],
    Meta(max_length=MAX_TAGS),
    read_by(read_tags),
]
