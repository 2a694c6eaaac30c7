"""The page of metrics in the text format of Prometheus (version 0.0.4).

Figures of all processes are added up, so it does not matter which of them answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from diglot.server.observability.cells import SharedCells
from diglot.server.observability.families import (
    COUNTER,
    FAMILIES,
    GAUGE,
    HISTOGRAM,
    PLACES,
    POOL_SIZE,
    SIZE,
    Family,
    Labels,
)

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# A metric with its samples: labels and value.
Samples = tuple[Family, Sequence[tuple[Labels, float]]]


def to_prometheus(cells: SharedCells, more: Iterable[Samples]) -> bytes:
    """Return the page: the figures of all processes, and more samples."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - costs a start 15 ms

    registry = CollectorRegistry()
    registry.register(_Collector(cells, more))
    return generate_latest(registry)


class _Collector:
    def __init__(self, cells: SharedCells, more: Iterable[Samples]) -> None:
        self._cells = cells
        self._more = more

    def collect(self) -> "Iterator[Metric]":
        """Yield the metrics."""
        counted = add_up(self._cells.of_all_processes())
        current = add_up(self._cells.of_live_processes())
        for family in FAMILIES:
            yield _convert(family, current if family.kind == GAUGE else counted)
        for family, samples in self._more:
            yield _convert_samples(family, samples)


def add_up(slots: Iterable[Sequence[float]]) -> list[float]:
    """Return the sums over the figures of processes."""
    return [sum(column) for column in zip(*slots, strict=True)] or [0.0] * SIZE


def _convert(family: Family, figures: Sequence[float]) -> "Metric":
    if family.kind == HISTOGRAM:
        return _convert_histogram(family, figures)
    start = PLACES[family.name]
    values = figures[start : start + len(family.series)]
    samples = list(zip(family.series, values, strict=True))
    if "operation" in family.label_names:
        # Most series of requests never occur, and a page with all of them would be 100 times as long.
        samples = [(labels, value) for labels, value in samples if value]
    elif "pool" in family.label_names:
        samples = [(labels, value) for labels, value in samples if _pool_exists(labels, figures)]
    return _convert_samples(family, samples)


def _pool_exists(labels: Labels, figures: Sequence[float]) -> bool:
    """Tell whether this database has a pool: the other database has others."""
    return figures[PLACES[POOL_SIZE.name] + POOL_SIZE.series.index(labels)] > 0


def _convert_samples(family: Family, samples: Iterable[tuple[Labels, float]]) -> "Metric":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - as above

    kind = CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.label_names)
    for labels, value in samples:
        metric.add_metric(labels, value)
    return metric


def _convert_histogram(family: Family, figures: Sequence[float]) -> "Metric":
    from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415 - as above

    metric = HistogramMetricFamily(family.name, family.help, labels=family.label_names)
    limits = [*map(str, family.buckets), "+Inf"]
    for index, labels in enumerate(family.series):
        start = PLACES[family.name] + index * family.width
        *counts, total = figures[start : start + family.width]
        if any(counts) or not family.label_names:
            buckets = list(zip(limits, accumulate(counts), strict=True))
            metric.add_metric(labels, buckets=buckets, sum_value=total)
    return metric


def single(family: Family, value: float) -> Samples:
    """Return the samples of a metric without labels."""
    return family, [((), value)]


def labelled(family: Family, values: Mapping[str, float]) -> Samples:
    """Return the samples of a metric with one label."""
    return family, [((label,), value) for label, value in values.items()]
