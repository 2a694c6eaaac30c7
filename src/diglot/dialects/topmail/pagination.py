"""Converts between `limit` and `offset` and a window."""

from typing import Any

from diglot.api.extensions.as_of import count_metadata, history_metadata
from diglot.dialects.topmail import formatting, wire
from diglot.model.pages import CountedPage, HistoricalPage, Window


def to_window(query: wire.WindowQuery) -> Window:
    """Return the window that a query requests."""
    return Window(query.offset, query.limit)


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
