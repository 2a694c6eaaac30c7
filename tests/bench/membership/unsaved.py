"""Compares totals of unsaved conditions with hand-written SQL, as the estimates do, on these contacts."""

import statistics

from bench import estimates
from bench.membership.report import Outcome, at_most, format_time
from bench.membership.store import Store


async def totals(store: Store) -> Outcome:
    """Compare thirty totals; the median is over the thirty conditions, because their totals differ."""
    result = await estimates.measure(store.url, store.main.workspace)
    ours, theirs = (statistics.median(min(side) for side in sides) for sides in _sides(result))
    what = f"totals of {len(result)} unsaved conditions, hand-written SQL, wall, median and range of the 30"
    line = at_most(what, format_time(ours), format_time(theirs), [item.ratio for item in result], 1.1)
    return Outcome([line], estimates.table(result))


def _sides(lines: list[estimates.Line]) -> tuple[list[list[float]], list[list[float]]]:
    return [item.ours for item in lines], [entry.theirs for entry in lines]
