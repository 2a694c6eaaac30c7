"""`limit` and `offset` <-> window."""

from collections.abc import Mapping
from typing import Any

from diglot.api.extensions.as_of import of_now, of_past
from diglot.api.input.query_string import MOST_OFFSET, integer
from diglot.dialects.topmail import formatting, wire
from diglot.model.pages import CountedPage, HistoricalPage, Window

DEFAULT = 100
MOST = 1000


def read(query: Mapping[str, str]) -> Window:
    """Return the window that a query asks for; raise `Invalid` with the first fault."""
    limit = integer(query, "limit", DEFAULT, least=1, most=MOST)
    return Window(integer(query, "offset", 0, least=0, most=MOST_OFFSET), limit)


def shown(window: Window, total: int) -> wire.Pagination:
    """Return the window as answers show it."""
    return wire.Pagination(total, window.limit, window.offset, _has_more(window, total))


def shown_to_members(window: Window, page: CountedPage[Any] | HistoricalPage[Any]) -> wire.MembersPagination:
    """Return the window of a segment's members, or of those on a list, as answers show it."""
    total = page.total
    more = _has_more(window, total)
    known: tuple[Any, ...] = (*of_now(page, formatting.time), *of_past(page))
    return wire.MembersPagination(total, window.limit, window.offset, more, *known)


def shown_to_all(window: Window, total: int) -> wire.MembersPagination:
    """Return the same where no list was asked for: of all contacts there is no revision."""
    return wire.MembersPagination(total, window.limit, window.offset, _has_more(window, total))


def _has_more(window: Window, total: int) -> bool:
    return window.offset + window.limit < total
