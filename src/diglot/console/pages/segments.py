"""The list of segments."""

from typing import Final

from litestar.types import ASGIApp

from diglot.console.visit import Visit, read_page_number
from diglot.model.pages import Page, Window
from diglot.model.segments import CountedSegment

PER_PAGE: Final = 25
MAX_SEARCH: Final = 200


async def list_counted(visit: Visit) -> tuple[Page[CountedSegment], int]:
    """Return the segments that a query asks for, with counts, and the number of the page."""
    query = visit.query
    number = read_page_number(query)
    window = Window((number - 1) * PER_PAGE, PER_PAGE)
    search = query.get("q").strip()[:MAX_SEARCH]
    return await visit.services.segments.list_page_with_counts(visit.caller, window, search or None), number


async def show_list(visit: Visit) -> ASGIApp:
    """Show a page of the segments, newest first."""
    page, number = await list_counted(visit)
    search = visit.query.get("q").strip()[:MAX_SEARCH]
    pages = max(1, -(-page.total // PER_PAGE))
    return visit.show(
        "segments.html", segments=page.items, total=page.total, number=number, pages=pages, search=search
    )
