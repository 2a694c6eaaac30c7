"""The only list of dialects."""

from typing import Final

from diglot.dialects.dialect import Dialect
from diglot.dialects.misar.dialect import MISAR
from diglot.dialects.topmail.dialect import TOPMAIL

DIALECTS: Final[tuple[Dialect, ...]] = (MISAR, TOPMAIL)


def dialect_named(name: str) -> Dialect:
    """Return a dialect by its name; raise KeyError."""
    return {dialect.name: dialect for dialect in DIALECTS}[name]
