"""Tokens of plain text are those of any other text."""

from zoneinfo import ZoneInfo

import pytest

from diglot.storage.predicates.token_documents import AttributeDocuments

VALUES = ["", " ", "pro", "Pro Plan", "7", "-7.5", "+1 555", "9" * 40, "2024-05-01", "2024-05-01 10:00:00"]
VALUES += ["2024-05-01T10:00:00+02:00", "2024-13-01", "12-05-2024", "a\x1fb", "é", "-", "007", "1e5"]


@pytest.mark.parametrize("zone", ["UTC", "America/Denver"])
@pytest.mark.parametrize("value", VALUES)
def test_tokens_of_plain_text(value: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way and the long one make the same documents."""
    attributes = {"key": value, "other": value}
    short = AttributeDocuments(attributes, ZoneInfo(zone))

    def add_scalar(self: AttributeDocuments, key: str, text: str) -> None:
        self._add_any(key, text)

    monkeypatch.setattr(AttributeDocuments, "_add_plain_text", add_scalar)
    long = AttributeDocuments(attributes, ZoneInfo(zone))
    names = ("exact", "folded", "number", "instant")
    assert [getattr(short, name) for name in names] == [getattr(long, name) for name in names]
