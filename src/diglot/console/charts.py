"""The geometry of charts. Templates draw it as SVG, whose labels are HTML, so that they keep their size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1_000
HEIGHT: Final = 200
FLOW_HEIGHT: Final = 80


@dataclass(frozen=True, slots=True)
class Moves:
    """A bucket of time as charts need it: the size at its end, and who entered and left in it."""

    begin: int
    end: int
    size: int
    entered: int
    left: int


@dataclass(frozen=True, slots=True)
class Column:
    """One bucket in a chart: where it begins, and the heights of its bars of who entered and left."""

    x: float
    bucket: Moves
    entered: float
    left: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The size over time as a line and an area below it, and a column for each bucket."""

    line: str
    area: str
    columns: Sequence[Column]
    width: float
    low: int
    high: int
    most_moves: int


def draw_chart(buckets: Sequence[Moves]) -> Chart:
    """Return the chart of at least one bucket."""
    sizes = [bucket.size for bucket in buckets]
    low, high = _find_range(sizes)
    step = WIDTH / len(buckets)
    points = [(index * step + step / 2, _place(size, low, high, HEIGHT)) for index, size in enumerate(sizes)]
    points = [(0.0, points[0][1]), *points, (float(WIDTH), points[-1][1])]
    line = _write_points(points)
    # All members enter on the first day of a segment, beside which no other day would have a bar.
    most = max((max(bucket.entered, bucket.left) for bucket in buckets[1:]), default=0) or 1
    columns = [
        Column(index * step, bucket, _scale(bucket.entered, most), _scale(bucket.left, most))
        for index, bucket in enumerate(buckets)
    ]
    return Chart(line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}", columns, step, low, high, most)


def draw_sparkline(sizes: Sequence[int], width: int, height: int) -> str:
    """Return the points of a line without labels."""
    low, high = min(sizes), max(sizes)
    if low == high:
        low, high = low - 1, high + 1
    step = width / max(len(sizes) - 1, 1)
    pad = 2
    points = [
        (index * step, pad + _place(size, low, high, height - 2 * pad)) for index, size in enumerate(sizes)
    ]
    return _write_points(points if len(points) > 1 else [points[0], (float(width), points[0][1])])


def _find_range(sizes: Sequence[int]) -> tuple[int, int]:
    """Return round numbers around the sizes; the axis begins at zero unless all sizes are far from it."""
    high, low = max(1, *sizes), min(sizes)
    # A few sizes that hardly differ would look like leaps on an axis of their own.
    begin = 0 if low < high / 2 or high - low < high / 20 else low
    unit = 10 ** max(0, math.floor(math.log10(max(high - begin, 1))))
    return begin // unit * unit, max(math.ceil(high / unit) * unit, begin + 1)


def _scale(moves: int, most: int) -> float:
    """Return the height of a bar, which ends at the edge of the chart."""
    return min(moves / most, 1.0) * FLOW_HEIGHT / 2


def _place(size: int, low: int, high: int, height: float) -> float:
    return height - (size - low) / (high - low) * height


def _write_points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
