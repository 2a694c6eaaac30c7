"""`limit` and `offset` <-> window."""

from collections.abc import Mapping

from diglot.dialects.queries import MOST_OFFSET, integer
from diglot.dialects.topmail import wire
from diglot.model.pages import Window

DEFAULT = 100
MOST = 1000


def read(query: Mapping[str, str]) -> Window:
    """Return the window that a query asks for; raise `Invalid` with the first fault."""
    limit = integer(query, "limit", DEFAULT, least=1, most=MOST)
    return Window(integer(query, "offset", 0, least=0, most=MOST_OFFSET), limit)


def shown(window: Window, total: int) -> wire.Pagination:
    """Return the window as answers show it."""
    has_more = window.offset + window.limit < total
    return wire.Pagination(total, window.limit, window.offset, has_more)
