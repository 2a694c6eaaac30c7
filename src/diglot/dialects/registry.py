"""The only list of dialects."""

from typing import Final

from diglot.api.dialect import Dialect, Surface
from diglot.dialects.misar.dialect import MISAR
from diglot.dialects.topmail.dialect import TOPMAIL

DIALECTS: Final[tuple[Dialect, ...]] = (MISAR, TOPMAIL)


def get_dialect(name: str) -> Dialect:
    """Return a dialect by its name; raise KeyError."""
    return {dialect.name: dialect for dialect in DIALECTS}[name]


def find_surface(path: str) -> tuple[Dialect, Surface] | None:
    """Return the surface that a path lies under, the longest prefix first, or None outside all."""
    return next((pair for pair in _SURFACES_LONGEST_FIRST if pair[1].contains(path)), None)


_SURFACES_LONGEST_FIRST: Final = sorted(
    ((dialect, surface) for dialect in DIALECTS for surface in dialect.surfaces),
    key=lambda pair: -len(pair[1].prefix),
)
