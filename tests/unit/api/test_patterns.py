"""The patterns of the documents let through what the readers do, to the last character."""

import re
from collections.abc import Callable, Iterator

import msgspec
import pytest

from diglot.api import patterns
from diglot.api.input.struct_plans import plan_struct
from diglot.api.input.value_readers import Given
from diglot.conditions import dates
from diglot.dialects.topmail.conversions.wire import ProductViewCreate
from diglot.errors import InvalidInput
from diglot.service.contacts.contact_input import _EMAIL_PATTERN
from diglot.webhooks.allowed_targets import find_url_fault, parse_allowed_targets

ANYWHERE = parse_allowed_targets("any")
WHITE = "\x00\x1c\x1f \x7f\x85\xa0\u2028\ufeff\t\n"
# The pattern, what reads such a text, texts, and what is put in the place of each of their characters.


def is_read(name: str, text: str) -> bool:
    """Tell whether a text is read as a field of a product view."""
    read = plan_struct(ProductViewCreate)[name].read
    assert read is not None
    try:
        read(Given(text, msgspec.Raw(b""), (name,)))
    except InvalidInput:
        return False
    return True


PAIRS: dict[str, tuple[str, Callable[[str], bool], tuple[str, ...], str]] = {
    "email": (
        patterns.EMAIL,
        lambda text: _EMAIL_PATTERN.fullmatch(text) is not None,
        ("ada@example.com", "a@b.c", "a@b.c.d"),
        f"a@.é{WHITE}",
    ),
    "page": (
        patterns.URL,
        lambda text: is_read("product_url", text),
        ("https://example.com/a?b#c", "HTTP://a", "http://a:1/"),
        f"a:/?#@[\\é{WHITE}",
    ),
    "what happened": (
        patterns.INSTANT,
        lambda text: dates.parse_to_microsecond(text) is not None,
        ("2026-05-27T10:01:44Z", "2026-05-27", "2026-05-27 10:01:44.123456789+02:00", "2026-01-21T09:59"),
        "012369-:TZ+. tz",
    ),
    "a past": (
        patterns.INSTANT_OR_SEQUENCE,
        lambda text: (text.isascii() and text.isdigit()) or dates.parse(text) is not None,
        ("2026-05-27T10:01:44Z", "2026-05-27", "2026-05-27T10:01:44.123456-02:00", "17"),
        "012369-:TZ+. tz",
    ),
}


def edited(text: str, alphabet: str) -> Iterator[str]:
    """Yield a text with one character less, more, or another, in each place."""
    yield text
    for place in range(len(text) + 1):
        yield text[:place] + text[place + 1 :]
        for character in alphabet:
            yield text[:place] + character + text[place:]
            yield text[:place] + character + text[place + 1 :]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_a_pattern_says_what_is_read(pair: tuple[str, Callable[[str], bool], tuple[str, ...], str]) -> None:
    """A text fits the pattern if and only if it is read, but for days that are in no calendar."""
    pattern, read, texts, alphabet = pair
    # In the dialect of JSON Schema the end is the very end.
    fits = re.compile(pattern.removesuffix("$") + r"\Z").search
    every = {one for text in texts for one in edited(text, alphabet)}
    differ = {one for one in every if (fits(one) is not None) != read(one)}
    assert {one for one in differ if not re.match("0000|....-(02-(29|3[01])|(04|06|09|11)-31)", one)} == set()


@pytest.mark.parametrize("text", ["http://example.com", "HTTPS://a.b:80/c?d#e", "http://[::1]/"])
def test_what_is_delivered_to_fits_its_pattern(text: str) -> None:
    """Every address that is taken fits; what fits may be refused all the same, as for where it leads."""
    for one in edited(text, f"a:/?#@[\\1%{WHITE}"):
        assert find_url_fault(one, ANYWHERE) is not None or re.search(patterns.WEBHOOK_URL, one)
