"""Metrics that are read from the database at each request: every process reports the same values.

A counter of these survives its process.
"""

from collections.abc import Callable
from typing import Final

from diglot.model.metrics import Metrics
from diglot.server.observability.families import COUNTER, GAUGE, Family

_SECOND: Final = 1_000_000


def _age_seconds(figures: Metrics, since: int | None) -> float:
    return 0.0 if since is None else max(0, figures.now - since) / _SECOND


_METRICS: Final[tuple[tuple[Family, Callable[[Metrics], float]], ...]] = (
    (
        Family(
            "diglot_verified_segments_total",
            COUNTER,
            "Full evaluations of segments, compared with the stored members.",
        ),
        lambda figures: figures.verified_segments,
    ),
    (
        Family(
            "diglot_repaired_segments_total",
            COUNTER,
            "Segments whose stored data was wrong and was repaired. Any value above 0 is a bug.",
        ),
        lambda figures: figures.repaired_segments,
    ),
    (
        Family(
            "diglot_repaired_contacts_total",
            COUNTER,
            "Contacts that repairs added to segments or removed from them.",
        ),
        lambda figures: figures.repaired_contacts,
    ),
    (
        Family(
            "diglot_oldest_evaluation_age_seconds",
            GAUGE,
            "Age of the oldest full evaluation of a dynamic segment.",
        ),
        lambda figures: _age_seconds(figures, figures.oldest_evaluation),
    ),
    (
        Family(
            "diglot_workspace_clock_lag_seconds",
            GAUGE,
            "How long stored members have not followed the passing of time; reads are still correct.",
        ),
        lambda figures: _age_seconds(figures, figures.due_since),
    ),
    (
        Family("diglot_pending_segments", GAUGE, "Segments that wait for evaluation in the background."),
        lambda figures: figures.pending_segments,
    ),
    (
        Family(
            "diglot_uncompacted_log_changes",
            GAUGE,
            "Changes in the membership log that are not yet compacted into the bitmaps.",
        ),
        lambda figures: figures.uncompacted_changes,
    ),
    (
        Family(
            "diglot_waiting_deliveries", GAUGE, "Webhook deliveries that are being sent or wait for a retry."
        ),
        lambda figures: figures.waiting_deliveries,
    ),
)
STORED_FAMILIES: Final = tuple(family for family, _ in _METRICS)


def list_samples(figures: Metrics) -> list[tuple[Family, float]]:
    """Return each metric with its value.

    Sums over a part of the database have no counters, because one that falls and rises again would be taken
    for new events.
    """
    shown = [one for one in _METRICS if figures.is_complete or one[0].kind != COUNTER]
    return [(family, value(figures)) for family, value in shown]
