"""Keeps API keys out of logs and request ids, wherever a client puts them."""

import logging
import re
from typing import Final

from diglot.dialects.registry import DIALECTS
from diglot.service.access.keys import DISPLAYED_CHARACTERS

_PREFIXES: Final = "|".join(re.escape(prefix) for one in DIALECTS for prefix in one.key_format.prefixes)
# The part that may be shown, and the rest.
_KEY: Final = re.compile(rf"((?:{_PREFIXES})[A-Za-z0-9_-]{{{DISPLAYED_CHARACTERS}}})[A-Za-z0-9_-]+")


def redact(text: str) -> str:
    """Return a text without the secret parts of API keys."""
    return _KEY.sub(r"\1...", text)


def holds_key(text: str) -> bool:
    """Tell whether a text contains what may be an API key."""
    return _KEY.search(text) is not None


class RedactingFormatter(logging.Formatter):
    """Formats a record as another formatter does, without API keys."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with its traceback."""
        return redact(self._formatter.format(record))
