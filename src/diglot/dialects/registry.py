"""The only list of dialects."""

from typing import Final

from diglot.api.dialect import Dialect, Surface
from diglot.dialects.misar.dialect import MISAR
from diglot.dialects.topmail.dialect import TOPMAIL

DIALECTS: Final[tuple[Dialect, ...]] = (MISAR, TOPMAIL)


def dialect_named(name: str) -> Dialect:
    """Return a dialect by its name; raise KeyError."""
    return {dialect.name: dialect for dialect in DIALECTS}[name]


def surface_of(path: str) -> tuple[Dialect, Surface] | None:
    """Return the surface that a path lies under, the longest prefix first, or None outside all."""
    return next((found for found in _LONGEST_FIRST if found[1].has(path)), None)


_LONGEST_FIRST: Final = sorted(
    ((dialect, surface) for dialect in DIALECTS for surface in dialect.surfaces),
    key=lambda found: -len(found[1].prefix),
)
