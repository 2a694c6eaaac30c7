"""Tokens of plain text are those of any other text."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from diglot.storage.predicates.token_documents import build_attribute_documents, build_tokens

VALUES = ["", " ", "pro", "Pro Plan", "7", "-7.5", "+1 555", "9" * 40, "2024-05-01", "2024-05-01 10:00:00"]
VALUES += ["2024-05-01T10:00:00+02:00", "2024-13-01", "12-05-2024", "a\x1fb", "é", "-", "007", "1e5"]
VALUES += ["\n", "\t\x0b ", "a\nb", "\\u001f", "\x85", "\u2028", "\x1c", "\x7f", "\x00"]


@pytest.mark.parametrize("zone", ["UTC", "America/Denver"])
@pytest.mark.parametrize("value", VALUES)
def test_tokens_of_plain_text(value: str, zone: str) -> None:
    """The short way and the long one make the same documents."""
    encoded = msgspec.json.encode({"key": value, "other": value}).decode()
    short = build_attribute_documents(encoded, ZoneInfo(zone))
    tokens = [build_tokens(key, value, ZoneInfo(zone)) for key in ("key", "other")]
    assert short == tuple(map("".join, zip(*tokens, strict=True)))
