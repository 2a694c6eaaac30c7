"""What pages of segments show after they have loaded: counts that follow writes, and small charts."""

from litestar.types import ASGIApp

from diglot.console.charts import draw_sparkline
from diglot.console.pages.segments import list_counted
from diglot.console.visit import Visit
from diglot.errors import InvalidInput
from diglot.model.ids import parse_id
from diglot.service.audience.analysis.buckets import Interval
from diglot.service.audience.analysis.sizes import Period

SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 120, 28


async def show_counts(visit: Visit) -> ASGIApp:
    """Show the counts of a page of segments again."""
    page, _ = await list_counted(visit)
    return visit.show("parts/counts.html", segments=page.items)


async def show_count(visit: Visit) -> ASGIApp:
    """Show the count of one segment again."""
    counted = await visit.services.segments.get_with_count(visit.caller, parse_id(visit.parameters["id"]))
    return visit.show("parts/count.html", counted=counted)


async def show_sparkline(visit: Visit) -> ASGIApp:
    """Show the size of a segment over the last 30 days as a small line."""
    try:
        found = await visit.services.segment_sizes.list_sizes(
            visit.caller, parse_id(visit.parameters["id"]), Period(Interval.DAY, None, None)
        )
    except InvalidInput:  # its history has not begun
        return visit.show("parts/sparkline.html", points="", sizes=[])
    sizes = [bucket.size for bucket in found.buckets]
    points = draw_sparkline(sizes, SPARKLINE_WIDTH, SPARKLINE_HEIGHT)
    return visit.show("parts/sparkline.html", points=points, sizes=sizes)
