"""The table of a run, and its slopes: what one more process and one more workspace add."""

from collections.abc import Callable, Sequence
from statistics import median

from bench.fleet.measurement import SECOND, Outcome, Run

_HEAD = (
    "| workspaces | processes | phase | statements/s | of each process | database CPU, ms/s"
    " | CPU of each process, ms/s | due to tick, s: median, most | not yet |"
)
_FIGURES: tuple[tuple[str, str, Callable[[Outcome], float]], ...] = (
    ("statements/s", ".3f", lambda outcome: outcome.statements),
    ("ms/s of database CPU", ".3f", lambda outcome: outcome.server_cpu * 1_000),
    ("ms/s of CPU of all processes", ".3f", lambda outcome: outcome.process_cpu * outcome.processes * 1_000),
)


def report(run: Run) -> str:
    """Return the table and the slopes."""
    rows = [_row(outcome) for outcome in run.outcomes]
    lines = [_HEAD, "|" + "---|" * 9, *rows, "", *_slopes(run.outcomes)]
    lines.append(f"hourly tasks: {run.hourly_statements:.1f} statements for each workspace")
    return "\n".join(lines)


def _row(outcome: Outcome) -> str:
    seconds = [lag / SECOND for lag in outcome.lags]
    lags = f"{median(seconds):.1f}, {seconds[-1]:.1f}" if seconds else "-"
    phase = outcome.phase + (f" ({outcome.writes:.0f}/s)" if outcome.writes else "")
    cells = (
        f"{outcome.workspaces:,}",
        str(outcome.processes),
        phase,
        f"{outcome.statements:.1f}",
        f"{outcome.statements / outcome.processes:.2f}",
        f"{outcome.server_cpu * 1_000:.1f}" if outcome.server_cpu else "in the process",
        f"{outcome.process_cpu * 1_000:.1f}",
        lags,
        str(outcome.late),
    )
    return f"| {' | '.join(cells)} |"


def _slopes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return lines that compare the idle fleets: the largest with the smallest of each kind."""
    idle = [outcome for outcome in outcomes if outcome.phase == "idle"]
    sizes, fleets = ({getattr(one, name) for one in idle} for name in ("workspaces", "processes"))
    by_key = {(one.workspaces, one.processes): one for one in idle}
    lines = []
    if len(fleets) > 1:
        few, many = (by_key[max(sizes), number] for number in (min(fleets), max(fleets)))
        added = _differences(few, many, many.processes - few.processes)
        lines.append(f"one more process, at {max(sizes):,} workspaces: {added}")
    if len(sizes) > 1:
        few, many = (by_key[number, max(fleets)] for number in (min(sizes), max(sizes)))
        added = _differences(few, many, (many.workspaces - few.workspaces) / 1_000)
        lines.append(f"1,000 more workspaces, with {max(fleets)} processes: {added}")
    return lines


def _differences(few: Outcome, many: Outcome, steps: float) -> str:
    return ", ".join(f"{(read(many) - read(few)) / steps:+{form}} {name}" for name, form, read in _FIGURES)
