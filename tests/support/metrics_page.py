"""A page of metrics, read by the parser of Prometheus' own library."""

from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class MetricsPage:
    """The samples of a page; a page that breaks the format or repeats a sample raises."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples: Sequence[Sample] = [sample for one in self.families for sample in one.samples]
        names = [(sample.name, *sorted(sample.labels.items())) for sample in self.samples]
        assert len(names) == len(set(names)), "a sample is there twice"
        assert all(one.documentation for one in self.families), "a metric has no help text"

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {sample.name for sample in self.samples}

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a name that have these labels; none is 0."""
        return sum(sample.value for sample in self._find(name, labels))

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the only sample of a name with these labels."""
        [sample] = self._find(name, labels)
        return float(sample.value)

    def labels_of(self, name: str) -> set[str]:
        """Return the names of the labels that samples of a name have."""
        return {label for sample in self._find(name, {}) for label in sample.labels}

    def _find(self, name: str, labels: dict[str, str]) -> list[Sample]:
        wanted = labels.items()
        return [one for one in self.samples if one.name == name and wanted <= one.labels.items()]
