"""Compares totals of unsaved conditions with hand-written SQL, as the estimates do, on these contacts."""

import statistics

from bench import estimates
from bench.membership.report import Outcome, at_most, time
from bench.membership.store import Store


async def totals(store: Store) -> Outcome:
    """Compare thirty totals; the median is over the thirty conditions, because their totals differ."""
    found = await estimates.measure(store.url, store.main.workspace)
    ours, theirs = (statistics.median(min(side) for side in sides) for sides in _sides(found))
    what = (
        f"totals of {len(found)} unsaved conditions beside hand-written SQL, wall, median and range of the 30"
    )
    line = at_most(what, time(ours), time(theirs), [one.ratio for one in found], 1.1)
    return Outcome([line], estimates.table(found))


def _sides(found: list[estimates.Line]) -> tuple[list[list[float]], list[list[float]]]:
    return [one.ours for one in found], [one.theirs for one in found]
