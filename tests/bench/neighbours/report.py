"""The tables of what a neighbour notices, and whether the bars are kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from bench.load import MEGABYTE
from bench.neighbours.measurement import SIZES, Outcome
from bench.neighbours.victim import KINDS, Sample

TIMES_ALONE: Final = 10.0
MOST_SECONDS: Final = 1.0
MOST_MEMORY: Final = 400 * MEGABYTE
_HEAD: Final = (
    "| attack | workers | call | alone p50 / p99 / max, ms | with it p50 / p99 / max, ms | p99 ratio "
    "| failed | bar |"
)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(outcomes: Sequence[Outcome]) -> str:
    """Return a table of latencies and one of memory."""
    latencies = [_HEAD, "|---|---|---|---|---|---|---|---|"]
    sizes = " / ".join(SIZES)
    memories = [f"| attack | workers | peak {sizes}, MiB | bar | answers to it |", "|---|---|---|---|---|"]
    for outcome in outcomes:
        latencies += [_latency(outcome, kind) for kind in KINDS]
        memories.append(_memory(outcome))
    return "\n".join([*latencies, "", *memories])


def _latency(outcome: Outcome, kind: str) -> str:
    alone, beside = (_seconds(samples, kind) for samples in (outcome.alone, outcome.beside))
    ratio = quantile(beside, 0.99) / quantile(alone, 0.99)
    failures = Counter(
        each.status for each in outcome.beside if each.kind == kind and each.status not in (200, 201)
    )
    kept = ratio <= TIMES_ALONE and quantile(beside, 0.99) < MOST_SECONDS and not failures
    cells = (
        *(outcome.attack, str(outcome.workers), kind, _figures(alone), _figures(beside), f"{ratio:.1f}"),
        _counts({str(status): number for status, number in failures.items()}) or "0",
        "kept" if kept else "BROKEN",
    )
    return f"| {' | '.join(cells)} |"


def _seconds(samples: Sequence[Sample], kind: str) -> list[float]:
    return [each.seconds for each in samples if each.kind == kind]


def _figures(seconds: Sequence[float]) -> str:
    return " / ".join(
        f"{1000 * value:,.0f}" for value in (quantile(seconds, 0.5), quantile(seconds, 0.99), max(seconds))
    )


def _memory(outcome: Outcome) -> str:
    peaks = " / ".join(f"{outcome.memory[name] / MEGABYTE:.0f}" for name in SIZES)
    kept = "kept" if outcome.memory[SIZES[0]] < MOST_MEMORY else "BROKEN"
    return f"| {outcome.attack} | {outcome.workers} | {peaks} | {kept} | {_counts(outcome.answers)} |"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {number:,}" for name, number in sorted(counts.items()))
