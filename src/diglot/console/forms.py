"""The bodies of forms, and query strings: names with values in the order in which the page has them."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from diglot.errors import MalformedRequest

MEDIA_TYPES: Final = ("application/x-www-form-urlencoded",)
MAX_BYTES: Final = 1 << 20
_MAX_FIELDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Form:
    """Names and values in order; of a name that occurs more than once the first value counts."""

    pairs: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a name."""
        return next((value for key, value in self.pairs if key == name), default)

    def get_number(self, name: str, default: int, most: int) -> int:
        """Return a whole number from 1 up to a limit; anything else is the default."""
        text = self.get(name)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            return default
        return min(max(int(text), 1), most)


def parse_form(body: bytes) -> Form:
    """Read an encoded form; raise `MalformedRequest`."""
    try:
        text = body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise MalformedRequest("The form cannot be read") from error
    if any("\0" in part for pair in pairs for part in pair):
        raise MalformedRequest("Text cannot hold U+0000")
    # Browsers send line ends as CRLF.
    return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs))
