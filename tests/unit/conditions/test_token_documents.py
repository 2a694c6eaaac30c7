"""Token documents: a search in them finds what is in the values."""

import json
import math
import struct
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.storage.predicates import token_documents
from diglot.storage.sql import backend

UTC = ZoneInfo("UTC")
MARKS = "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
ALPHABET = MARKS + "ab\x01é"


def texts(seed: int, longest: int) -> list[str]:
    rng = Random(seed)
    return ["".join(rng.choices(ALPHABET, k=rng.randrange(longest + 1))) for _ in range(300)]


@pytest.mark.parametrize("seed", range(5))
def test_a_search_in_escaped_text_is_a_search_in_the_text(seed: int) -> None:
    """A part is found exactly where the text has it, also at the start and at the end."""
    for value in texts(seed, 8):
        escaped = token_documents.escape_marks(value)
        for part in texts(seed + 100, 3)[:100]:
            searched = token_documents.escape_marks(part)
            assert (searched in escaped) == (part in value)
            assert escaped.startswith(searched) == value.startswith(part)
            assert escaped.endswith(searched) == value.endswith(part)


def test_escaped_text_has_no_marks() -> None:
    """No value can forge a token."""
    forged = {
        token_documents.OPEN,
        backend.CLOSE,
        token_documents.SCALAR,
        token_documents.ELEMENT,
        token_documents.SET,
    }
    assert forged.isdisjoint(token_documents.escape_marks(MARKS))
    assert token_documents.escape_marks("plain é") == "plain é"


def test_a_value_cannot_forge_another_key() -> None:
    """Values full of marks leave the tokens of other keys alone."""
    forged = "\x1e\x1d\x1fb\x1ex\x1eb\x1f"
    exact, *_ = token_documents.build_attribute_documents(json.dumps({"a": forged, "b": "y"}), UTC)
    assert "\x1fb\x1ex\x1e" not in exact
    assert exact.count("\x1fb\x1ey\x1e") == 1


def doubles() -> list[float]:
    rng = Random(7)
    patterns = [rng.getrandbits(64) for _ in range(5000)]
    results = [struct.unpack(">d", struct.pack(">Q", bits))[0] for bits in patterns]
    edges = [0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 0.1, -0.1, 1.0, 2.0**53, 1.7976931348623157e308]
    nearby = [math.nextafter(edge, math.inf) for edge in edges[:-1]]
    return sorted({number for number in [*results, *edges, *nearby] if math.isfinite(number)})


def test_keys_of_doubles_sort_as_doubles() -> None:
    """The order of the texts is the order of the numbers."""
    keys = [token_documents.encode_double(number) for number in doubles()]
    assert all(low < high for low, high in pairwise(keys))
    assert {len(key) for key in keys} == {16}
    assert token_documents.encode_double(-0.0) == token_documents.encode_double(0.0)


def test_keys_of_integers_sort_as_integers() -> None:
    """The order of the texts is the order of 64-bit integers."""
    rng = Random(8)
    edges = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]
    numbers = sorted({*edges, *(rng.randrange(-(2**63), 2**63) for _ in range(5000))})
    keys = [token_documents.encode_integer(number) for number in numbers]
    assert all(low < high for low, high in pairwise(keys))
    assert {len(key) for key in keys} == {16}


def test_big_integers_are_kept_in_addition_to_their_double() -> None:
    """2^53 and 2^53 + 1 share a double but differ; a double is never big."""
    low, high = token_documents.encode_number(2**53), token_documents.encode_number(2**53 + 1)
    assert low[:17] == high[:17]
    assert low < high
    assert token_documents.encode_number(2**53 - 1) == token_documents.encode_number(float(2**53 - 1))
    assert not token_documents.is_big_integer(2.0**60)
    assert token_documents.is_big_integer(-(2**53))


def test_tags_are_tokens_of_their_own() -> None:
    """A whole tag is found in the exact document, and its start or end in the folded one."""
    exact, folded = token_documents.build_tag_documents(["VIP", "e\u0301", "a\x1fb"])
    assert exact == "\x1fVIP\x1e\x1f\u00e9\x1e\x1fa" + token_documents.escape_marks("\x1f") + "b\x1e"
    assert folded.startswith("\x1fvip\x1e")
