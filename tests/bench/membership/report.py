"""The lines of the summary table, and tables of the figures that they are based on."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Shown in the table instead of a missing figure.
NOTHING = "-"


@dataclass(frozen=True)
class Line:
    """One line: what is measured, ours, the other value, their ratio, and the target."""

    what: str
    ours: str
    other: str
    ratio: str
    target: str
    reached: str


@dataclass(frozen=True)
class Outcome:
    """The result of a part of the benchmark: lines, and a table of details under a heading."""

    lines: Sequence[Line]
    details: str = ""


def at_most(what: str, ours: str, other: str, ratios: Sequence[float], target: float) -> Line:
    """Return a line whose ratio, ours over the other, has to stay within a target."""
    ratio = statistics.median(ratios)
    return Line(what, ours, other, _shown(ratios), f"≤ {target:g}", _reached(ratio <= target))


def at_least(what: str, ours: str, other: str, ratios: Sequence[float], target: float) -> Line:
    """Return a line whose ratio has to reach a target."""
    ratio = statistics.median(ratios)
    return Line(what, ours, other, _shown(ratios), f"≥ {target:,g}", _reached(ratio >= target))


def unmeasured(what: str, target: str, why: str) -> Line:
    """Return a line that says why there is no figure."""
    return Line(what, NOTHING, NOTHING, why, target, "not measured")


def _reached(reached: bool) -> str:
    return "yes" if reached else "NO"


def _shown(ratios: Sequence[float]) -> str:
    """Return the median, and the spread of the rounds."""
    median = format_number(statistics.median(ratios))
    return (
        median
        if len(ratios) == 1
        else f"{median} ({format_number(min(ratios))} to {format_number(max(ratios))})"
    )


def format_number(value: float) -> str:
    """Return a figure with an appropriate number of digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def format_time(seconds: float) -> str:
    """Return a time in an appropriate unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{format_number(seconds / size)} {unit}"
    return f"{format_number(seconds * 1e6)} µs"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def lines_table(lines: Sequence[Line]) -> str:
    """Return the table of the lines."""
    head = ("what", "ours", "the other", "ratio (rounds)", "target", "reached")
    return table(
        head, [(line.what, line.ours, line.other, line.ratio, line.target, line.reached) for line in lines]
    )
