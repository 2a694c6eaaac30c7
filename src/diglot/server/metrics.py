"""Metrics in the Prometheus text format (version 0.0.4).

They are read from the database on each request, so every process reports the same values and a counter
survives its process; a client library would count in each process separately.
"""

from collections.abc import Callable
from typing import Final

from diglot.model.metrics import Metrics

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECOND: Final = 1_000_000


def _age_seconds(figures: Metrics, since: int | None) -> float:
    return 0.0 if since is None else max(0, figures.now - since) / _SECOND


# Name (ending in `_total` if the value only grows), help text, and value.
_METRICS: Final[tuple[tuple[str, str, Callable[[Metrics], float]], ...]] = (
    (
        "verified_segments_total",
        "Full evaluations of segments, compared with the stored members.",
        lambda figures: figures.verified_segments,
    ),
    (
        "repaired_segments_total",
        "Segments whose stored data was wrong and was repaired. Any value above 0 is a bug.",
        lambda figures: figures.repaired_segments,
    ),
    (
        "repaired_contacts_total",
        "Contacts that repairs added to segments or removed from them.",
        lambda figures: figures.repaired_contacts,
    ),
    (
        "oldest_evaluation_age_seconds",
        "Age of the oldest full evaluation of a dynamic segment.",
        lambda figures: _age_seconds(figures, figures.oldest_evaluation),
    ),
    (
        "workspace_clock_lag_seconds",
        "How long stored members have not followed the passing of time; reads are still correct.",
        lambda figures: _age_seconds(figures, figures.due_since),
    ),
    (
        "pending_segments",
        "Segments that wait for evaluation in the background.",
        lambda figures: figures.pending_segments,
    ),
    (
        "uncompacted_log_changes",
        "Changes in the membership log that are not yet compacted into the bitmaps.",
        lambda figures: figures.uncompacted_changes,
    ),
    (
        "waiting_deliveries",
        "Webhook deliveries that are being sent or wait for a retry.",
        lambda figures: figures.waiting_deliveries,
    ),
)
METRIC_NAMES: Final = tuple(f"diglot_{name}" for name, _, _ in _METRICS)


def to_prometheus(figures: Metrics) -> bytes:
    """Return the metrics page."""
    lines = []
    for name, (_, help_text, value) in zip(METRIC_NAMES, _METRICS, strict=True):
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f"{name} {value(figures)}"]
    return "\n".join([*lines, ""]).encode()
