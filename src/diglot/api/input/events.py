"""Bodies that tell of events: money, moments, addresses and objects, beside what every body has."""

import re
from decimal import Decimal
from typing import Any, Final

from msgspec import UNSET, UnsetType

from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.patterns import URL
from diglot.conditions import dates, text
from diglot.conditions.fields import NUMBER_LIMIT
from diglot.conditions.operands import wrong_type_error
from diglot.errors import InvalidInput
from diglot.model.events import OccurredAt
from diglot.model.workspaces import Caller
from diglot.service.contacts.contact_input import GivenValue, find_json_faults, read_change

MAX_ID_LENGTH: Final = 100
MAX_URL_LENGTH: Final = 2_048
# What is kept of one event as it was sent; a page may hold a thousand of them.
MAX_JSON_BYTES: Final = 64 * 1024
_CURRENCY_PATTERN = re.compile(r"[A-Za-z]{3}")
_URL_PATTERN = re.compile(URL)
_JSON_TYPES: Final = {"object": dict, "array": list}


class EventBodyReader(BodyReader):
    """The members of a body that tells of an event; null stands for what is left out."""

    def __init__(self, members: request_body.RawObject, caller: Caller) -> None:
        given = {key: raw for key, raw in members.items() if bytes(raw) != b"null"}
        super().__init__(given)
        self._zone = caller.zone

    def read_optional_text(self, key: str, most: int = MAX_ID_LENGTH) -> str | None:
        """Read a text that may be left out."""
        return _none_if_missing(self.read_text(key, most))

    def read_optional_name(self, key: str, most: int = MAX_ID_LENGTH) -> str | None:
        """Read a text that may be left out but is not blank."""
        return _none_if_missing(self.read_name(key, most))

    def read_email(self, key: str = "email") -> str | None:
        """Read an address, in the form that contacts are found by."""
        value = self._decode_value(key)
        if value is UNSET:
            return None
        try:
            return read_change({"email": GivenValue(value, (key,))}, None, self._zone).email
        except InvalidInput as invalid:
            self._faults.extend(invalid.faults)
            return None

    def read_amount(self, key: str) -> float | None:
        """Read an amount of money: a number that is not negative."""
        value = self._decode_value(key)
        if value is UNSET:
            return None
        if not text.is_number(value):
            self.add_fault((key,), str(wrong_type_error("number", value)))
            return None
        assert isinstance(value, int | float)
        if not 0 <= value <= NUMBER_LIMIT:
            self.add_fault((key,), f"Number must be between 0 and {int(NUMBER_LIMIT)}")
            return None
        return float(value) + 0.0  # no minus zero

    def read_integer(self, key: str, least: int, most: int) -> int | None:
        """Read a whole number."""
        value = self._decode_value(key)
        if value is UNSET:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one sort of numbers
        if not isinstance(value, int) or isinstance(value, bool):
            self.add_fault((key,), str(wrong_type_error("integer", value)))
        elif not least <= value <= most:
            self.add_fault((key,), f"Number must be between {least} and {most}")
        else:
            return value
        return None

    def read_cents(self, key: str) -> float | None:
        """Read an amount of money in hundredths."""
        value = self.read_integer(key, 0, int(NUMBER_LIMIT))
        return None if value is None else float(Decimal(value) / 100)

    def read_currency(self, key: str = "currency", default: str = "USD") -> str:
        """Read the three letters of a currency, in capitals."""
        value = self.read_optional_text(key)
        if value is None:
            return default
        if not _CURRENCY_PATTERN.fullmatch(value):
            self.add_fault((key,), "Invalid currency: expected 3 letters")
        return value.upper()

    def read_instant(self, key: str) -> OccurredAt | None:
        """Read an instant, or a day in the workspace's time zone."""
        value = self.read_optional_text(key)
        if value is None:
            return None
        if (found := dates.parse_to_microsecond(value)) is None:
            self.add_fault((key,), "Invalid date: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ")
            return None
        return OccurredAt(found.to_instant(self._zone), (key,))

    def read_url(self, key: str) -> str | None:
        """Read an address of the web."""
        value = self.read_optional_text(key, MAX_URL_LENGTH)
        if value is not None and not _URL_PATTERN.fullmatch(value):
            self.add_fault((key,), "Invalid url")
        return value

    def read_json(self, key: str, kind: str = "object") -> str | None:
        """Read an object, or an array of them, that is kept as it was sent."""
        value = self._decode_value(key)
        if value is UNSET:
            return None
        if not isinstance(value, _JSON_TYPES[kind]):
            self.add_fault((key,), str(wrong_type_error(kind, value)))
            return None
        items = enumerate(value) if kind == "array" else ()
        if (odd := next((at for at, one in items if not isinstance(one, dict)), None)) is not None:
            self.add_fault((key, odd), str(wrong_type_error("object", value[odd])))
            return None
        if faults := find_json_faults(value, (key,)):
            self._faults.extend(faults)
            return None
        kept = request_body.compact_json(self._members[key])
        if len(kept.encode()) > MAX_JSON_BYTES:
            self.add_fault((key,), f"JSON must have at most {MAX_JSON_BYTES} bytes")
        return kept


def _none_if_missing(value: str | UnsetType) -> str | None:
    return None if value is UNSET else value


def without_none(**members: Any) -> dict[str, Any]:
    """Return the members that are there."""
    return {key: value for key, value in members.items() if value is not None}
