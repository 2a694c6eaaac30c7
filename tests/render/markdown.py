"""Markdown tables, and values as inline code."""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Final

_LONGEST: Final = 60


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def code(text: str) -> str:
    """Return inline code that is safe in a table cell."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def json_code(value: Any) -> str:
    """Return a JSON value as inline code, with invisible characters escaped and long values truncated."""
    text = "".join(map(_visible, json.dumps(value, ensure_ascii=False)))
    return code(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _visible(character: str) -> str:
    if character == " " or unicodedata.category(character)[0] not in "CZM":
        return character
    return json.dumps(character)[1:-1]
