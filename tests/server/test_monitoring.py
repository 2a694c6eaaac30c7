"""The dashboard and the alerts name metrics and labels that `/metrics` has."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from diglot.server.observability.families import FAMILIES, HISTOGRAM
from render.observability import ALL_FAMILIES
from support.metrics_page import MetricsPage
from support.paths import ROOT
from support.servers.in_process import Server, bearer

FOLDER = ROOT / "docs" / "monitoring"
_SELECTOR: Final = re.compile(r"\b((?:diglot|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING: Final = re.compile(r"\bby \(([a-z_, ]*)\)")
# What Prometheus adds to each sample, and what it makes itself.
_TARGET_LABELS: Final = {"job", "instance"}
_OWN_METRICS: Final = {"up"}
# Metrics that only one of the databases has, or that only a failure brings.
_OF_A_FILE: Final = {"diglot_disk_free_bytes", "diglot_database_file_bytes"}


def panel_queries() -> Iterator[str]:
    """Yield the queries of the dashboard."""
    dashboard = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def rules() -> list[dict[str, Any]]:
    """Return the alerts."""
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


QUERIES: Final = (*panel_queries(), *(rule["expr"] for rule in rules()))


async def _make_traffic(server: Server) -> MetricsPage:
    headers = bearer(await server.key("misar", "one"))
    for path in ("/mail/v1/segments", "/mail/v1/segments/nothing", "/nothing"):
        await server.client.get(path, headers=headers)
    return MetricsPage((await server.client.get("/metrics")).text)


async def test_every_metric_and_label_exists(server: Server) -> None:
    """Of each query, on both databases, after some traffic."""
    page = await _make_traffic(server)
    absent = _OF_A_FILE - page.names
    assert absent in (set(), _OF_A_FILE), "both or neither"
    for query in QUERIES:
        names = {name for name, _ in _SELECTOR.findall(query)}
        assert names, query
        assert names <= page.names | _OWN_METRICS | absent, query
        known = _TARGET_LABELS.union(*(page.labels_of(name) for name in names))
        for name, matchers in _SELECTOR.findall(query):
            used = set(_MATCHER.findall(matchers))
            assert name in absent or used <= page.labels_of(name) | _TARGET_LABELS, query
        grouped = {label for labels in _GROUPING.findall(query) for label in labels.split(", ")}
        assert names & absent or grouped <= known, query


def test_every_metric_is_on_the_dashboard() -> None:
    """A metric that nobody looks at would be no use."""
    shown = " ".join(panel_queries())
    for family in ALL_FAMILIES:
        name = f"{family.name}_bucket" if family.kind == HISTOGRAM else family.name
        assert re.search(rf"\b{name}\b", shown), family.name


def test_queries_are_balanced() -> None:
    """Brackets close, each query has its place, and panels do not overlap."""
    for query in QUERIES:
        for opened, closed in ("()", "{}", "[]"):
            assert query.count(opened) == query.count(closed), query
        assert "JOB" not in query
    panels = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_has_what_prometheus_wants(rule: dict[str, Any]) -> None:
    """A name, an expression with a comparison, a severity and a summary."""
    assert re.fullmatch("Diglot[A-Za-z]+", rule["alert"])
    assert re.search(r"[<>]|==", rule["expr"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"[0-9]+m", rule.get("for", "1m"))
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}


def test_counters_are_rated() -> None:
    """A counter is only of use with a rate, unless its value itself is the news."""
    counters = {family.name for family in FAMILIES if family.kind == "counter"}
    for query in panel_queries():
        for name, _ in _SELECTOR.findall(query):
            assert name not in counters or "rate(" in query, query
