"""Finds what a path of the console names by its dialect."""

from diglot.api.dialect import Dialect
from diglot.console.visit import Visit
from diglot.dialects.registry import DIALECTS
from diglot.errors import NotFound


def find_dialect(visit: Visit) -> Dialect:
    """Return the dialect in the path of a page; raise `NotFound`."""
    name = visit.parameters["dialect"]
    found = next((dialect for dialect in DIALECTS if dialect.name == name), None)
    if found is None:
        raise NotFound("page")
    return found
