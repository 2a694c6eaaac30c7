"""Converts between `page` and `limit` and a window."""

from typing import Any, Final

import msgspec

from diglot.api.extensions.as_of import count_metadata, history_metadata
from diglot.api.input.query_string import MAX_OFFSET
from diglot.dialects.misar import formatting, wire
from diglot.model.pages import HistoricalPage, MemberPage, Page, Sort, Window

# The vendor's MCP client sends `engagement_asc`; the other orders follow its pattern.
_SORT_FIELDS: Final = {"engagement": "engagement_score"} | {
    name: name for name in ("created_at", "updated_at", "email")
}
SORTS: Final = {
    f"{word}_{way}": Sort(field, way == "desc")
    for word, field in _SORT_FIELDS.items()
    for way in ("asc", "desc")
}


class PageRequest(msgspec.Struct, frozen=True):
    """A requested page: its number from 1, and the limit, reduced to the maximum."""

    page: int
    limit: int

    @property
    def window(self) -> Window:
        """The window of rows that the page covers."""
        return Window(min((self.page - 1) * self.limit, MAX_OFFSET), self.limit)

    def to_pagination(self, total: int) -> wire.Pagination:
        """Return the pagination for a response; an empty result has one page."""
        return wire.Pagination(self.page, self.limit, total, self._count_pages(total))

    def to_both_pagination(self, page: Page[Any]) -> wire.BothPagination:
        """Return the pagination with the number of pages in both of the vendor's spellings."""
        pages = self._count_pages(page.total)
        known = _state_fields(page) if isinstance(page, MemberPage | HistoricalPage) else ()
        return wire.BothPagination(self.page, self.limit, page.total, pages, pages, *known)

    def to_members_pagination(self, page: MemberPage[Any] | HistoricalPage[Any]) -> wire.MembersPagination:
        """Return the pagination for a page of members."""
        pages = self._count_pages(page.total)
        return wire.MembersPagination(self.page, self.limit, page.total, pages, pages, *_state_fields(page))

    def _count_pages(self, total: int) -> int:
        return max(1, -(-total // self.limit))


def _state_fields(page: MemberPage[Any] | HistoricalPage[Any]) -> tuple[Any, ...]:
    """Return the time and revision of the total, or the historical change that it belongs to."""
    return (*count_metadata(page, formatting.format_time), *history_metadata(page))
