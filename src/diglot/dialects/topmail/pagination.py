"""Converts between `limit` and `offset` and a window."""

from collections.abc import Mapping
from typing import Any

from diglot.api.extensions.as_of import count_metadata, history_metadata
from diglot.api.input.query_string import MAX_OFFSET, read_integer
from diglot.dialects.topmail import formatting, wire
from diglot.model.pages import CountedPage, HistoricalPage, Window

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


def read_window(query: Mapping[str, str]) -> Window:
    """Return the window that a query requests; raise `InvalidInput` with the first fault."""
    limit = read_integer(query, "limit", DEFAULT_LIMIT, minimum=1, maximum=MAX_LIMIT)
    return Window(read_integer(query, "offset", 0, minimum=0, maximum=MAX_OFFSET), limit)


def to_pagination(window: Window, total: int) -> wire.Pagination:
    """Return the pagination for a response."""
    return wire.Pagination(total, window.limit, window.offset, _has_more(window, total))


def to_members_pagination(
    window: Window, page: CountedPage[Any] | HistoricalPage[Any]
) -> wire.MembersPagination:
    """Return the pagination for members of a segment or a list."""
    total = page.total
    more = _has_more(window, total)
    known: tuple[Any, ...] = (*count_metadata(page, formatting.format_time), *history_metadata(page))
    return wire.MembersPagination(total, window.limit, window.offset, more, *known)


def to_contacts_pagination(window: Window, total: int) -> wire.MembersPagination:
    """Return the pagination for all contacts, which have no revision because no list was requested."""
    return wire.MembersPagination(total, window.limit, window.offset, _has_more(window, total))


def _has_more(window: Window, total: int) -> bool:
    return window.offset + window.limit < total
