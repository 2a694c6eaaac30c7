"""The patterns of the documents accept the same strings as the readers."""

import re
from collections.abc import Callable, Iterator

import pytest

from diglot.api import patterns
from diglot.api.input.struct_plans import plan_struct
from diglot.api.input.value_readers import Given
from diglot.conditions import dates
from diglot.dialects.topmail.conversions.wire import ProductViewCreate
from diglot.errors import InvalidInput
from diglot.webhooks.allowed_targets import find_url_fault, parse_allowed_targets

ANYWHERE = parse_allowed_targets("any")
WHITE = "\x00\x1c\x1f \x7f\x85\xa0\u2028\ufeff\t\n"


def is_read(name: str, text: str) -> bool:
    """Return whether the reader of a product view takes a string for one of its fields."""
    read = plan_struct(ProductViewCreate)[name].read
    assert read is not None
    try:
        read(Given(text, (name,)))
    except InvalidInput:
        return False
    return True


# The pattern, its reader, strings, and the replacements for each of their characters.
PAIRS: dict[str, tuple[str, Callable[[str], bool], tuple[str, ...], str]] = {
    "email": (
        patterns.EMAIL,
        lambda text: is_read("email", text),
        ("ada@example.com", "a@b.c", "a@b.c.d"),
        f'a@.-é,;:<>"()\\/?{WHITE}'.replace("\ufeff", ""),
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
    """Yield a string with one character deleted, inserted, or replaced, at each position."""
    yield text
    for place in range(len(text) + 1):
        yield text[:place] + text[place + 1 :]
        for character in alphabet:
            yield text[:place] + character + text[place:]
            yield text[:place] + character + text[place + 1 :]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_a_pattern_matches_its_reader(pair: tuple[str, Callable[[str], bool], tuple[str, ...], str]) -> None:
    """A string fits the pattern if and only if it is read, except for days that no calendar has."""
    pattern, read, texts, alphabet = pair
    # In JSON Schema's dialect `$` matches only at the very end.
    fits = re.compile(pattern.removesuffix("$") + r"\Z").search
    every = {item for text in texts for item in edited(text, alphabet)}
    differ = {item for item in every if (fits(item) is not None) != read(item)}
    if pattern == patterns.EMAIL:
        # A pattern that all generators of clients write cannot say all that an address may not hold.
        differ = {item for item in differ if read(item)}
    assert {
        item for item in differ if not re.match("0000|....-(02-(29|3[01])|(04|06|09|11)-31)", item)
    } == set()


@pytest.mark.parametrize("text", ["http://example.com", "HTTPS://a.b:80/c?d#e", "http://[::1]/"])
def test_an_accepted_url_fits_its_pattern(text: str) -> None:
    """Every accepted URL fits; a URL that fits may still be rejected, such as for its address."""
    for item in edited(text, f"a:/?#@[\\1%{WHITE}"):
        assert find_url_fault(item, ANYWHERE) is not None or re.search(patterns.WEBHOOK_URL, item)
