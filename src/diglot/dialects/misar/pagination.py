"""`page` and `limit` <-> window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from diglot.api.extensions.as_of import of_now, of_past
from diglot.api.input.query_string import MOST_OFFSET, integer
from diglot.dialects.misar import formatting, wire
from diglot.errors import Fault, Invalid
from diglot.model.pages import HistoricalPage, MemberPage, Page, Sort, Window

# The vendor's MCP client asks for `engagement_asc`; the rest is made as it is.
_SORTED: Final = {"engagement": "engagement_score"} | {
    name: name for name in ("created_at", "updated_at", "email")
}
SORTS: Final = {
    f"{word}_{way}": Sort(field, way == "desc") for word, field in _SORTED.items() for way in ("asc", "desc")
}


@dataclass(frozen=True, slots=True)
class Paging:
    """A page asked for: its number from 1, and the limit after clamping."""

    page: int
    limit: int

    @property
    def window(self) -> Window:
        """The rows of the page."""
        return Window(min((self.page - 1) * self.limit, MOST_OFFSET), self.limit)

    def shown(self, total: int) -> wire.Pagination:
        """Return the page as answers show it; no rows make one page."""
        return wire.Pagination(self.page, self.limit, total, self._pages(total))

    def shown_twice(self, found: Page[Any]) -> wire.BothPagination:
        """Return the page with the number of pages in both of the vendor's spellings."""
        pages = self._pages(found.total)
        known = _known(found) if isinstance(found, MemberPage | HistoricalPage) else ()
        return wire.BothPagination(self.page, self.limit, found.total, pages, pages, *known)

    def shown_to_members(self, found: MemberPage[Any] | HistoricalPage[Any]) -> wire.MembersPagination:
        """Return the page as the members call shows it."""
        pages = self._pages(found.total)
        return wire.MembersPagination(self.page, self.limit, found.total, pages, pages, *_known(found))

    def _pages(self, total: int) -> int:
        return max(1, -(-total // self.limit))


def _known(found: MemberPage[Any] | HistoricalPage[Any]) -> tuple[Any, ...]:
    """Return when the total is true and of which revision, or of which change of the past."""
    return (*of_now(found, formatting.time), *of_past(found))


def read(query: Mapping[str, str], *, default: int = 20, most: int = 100) -> Paging:
    """Return the page that a query asks for; raise `Invalid` with both faults."""
    faults: list[Fault] = []
    found: dict[str, int] = {}
    for key, fallback, greatest in (("page", 1, MOST_OFFSET), ("limit", default, most)):
        try:
            found[key] = integer(query, key, fallback, least=1, most=greatest)
        except Invalid as invalid:
            faults.extend(invalid.faults)
    if faults:
        raise Invalid(faults)
    return Paging(found["page"], found["limit"])
