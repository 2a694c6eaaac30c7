"""Render the Grafana dashboard from a table of panels; Grafana's own form of it has forty lines for each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
# Panels of a row, in a grid that is 24 wide.
_WIDTH: Final = 8
_HEIGHT: Final = 8
# What is added up over all servers of a job that the reader chooses.
_JOB: Final = 'job=~"$job"'


@dataclass(frozen=True)
class Panel:
    """A graph: title, unit of Grafana, and queries with their legends. `JOB` stands for the chosen jobs."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    description: str = ""


def _quantiles(name: str, by: str, *quantiles: float) -> list[tuple[str, str]]:
    legend = " {{operation}}" if by else ""
    return [
        (
            f"histogram_quantile({quantile}, sum by (le{by}) (rate({name}_bucket{{JOB}}[$__rate_interval])))",
            f"p{quantile * 100:g}{legend}",
        )
        for quantile in quantiles
    ]


_DURATION: Final = "diglot_http_request_duration_seconds"
_EVALUATION: Final = "diglot_first_evaluation_duration_seconds"


def _rate(name: str, *by: str, where: str = "") -> str:
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} (rate({name}{{JOB{where}}}[$__rate_interval]))"


ROWS: Final[dict[str, Sequence[Panel]]] = {
    "Requests": (
        Panel(
            "Requests by dialect",
            "reqps",
            [(_rate("diglot_http_requests_total", "dialect"), "{{dialect}}")],
        ),
        Panel(
            "Errors of the server",
            "reqps",
            [
                (
                    _rate("diglot_http_requests_total", "operation", "status", where=', status=~"5.."'),
                    "{{status}} {{operation}}",
                )
            ],
        ),
        Panel("Duration", "s", _quantiles(_DURATION, "", 0.5, 0.95, 0.99)),
        Panel(
            "Refused requests",
            "reqps",
            [(_rate("diglot_http_requests_total", "status", where=', status=~"4.."'), "{{status}}")],
            "429 is the rate limit of a key, 401 an unknown key.",
        ),
        Panel("Slowest operations", "s", _quantiles(_DURATION, ", operation", 0.99)),
        Panel("In flight", "short", [("sum(diglot_http_requests_in_flight{JOB})", "requests")]),
    ),
    "Database": (
        Panel(
            "Connections in use",
            "short",
            [
                ("sum by (pool) (diglot_database_pool_connections_in_use{JOB})", "{{pool}} in use"),
                ("sum by (pool) (diglot_database_pool_connections{JOB})", "{{pool}} at most"),
            ],
        ),
        Panel(
            "Waiting for a connection",
            "short",
            [
                ("sum by (pool) (diglot_database_pool_waiting{JOB})", "{{pool}} now"),
                (_rate("diglot_database_pool_waits_total", "pool"), "{{pool}} a second"),
            ],
        ),
        Panel(
            "Time waited for a connection",
            "s",
            [(_rate("diglot_database_pool_wait_seconds_total", "pool"), "{{pool}} per second")],
        ),
        Panel(
            "Failures of the database", "short", [(_rate("diglot_database_errors_total", "kind"), "{{kind}}")]
        ),
        Panel("Memory of caches", "bytes", [("sum by (cache) (diglot_cache_bytes{JOB})", "{{cache}}")]),
        Panel("Slow statements", "short", [(_rate("diglot_slow_statements_total"), "a second")]),
        Panel(
            "Files",
            "bytes",
            [
                ("sum by (file) (diglot_database_file_bytes{JOB})", "{{file}}"),
                ("min(diglot_disk_free_bytes{JOB})", "free on the disk"),
            ],
            "A SQLite file only.",
        ),
    ),
    "Work": (
        Panel(
            "Imported rows",
            "short",
            [(_rate("diglot_imported_rows_total", "outcome"), "{{outcome}} a second")],
        ),
        Panel(
            "Webhooks received from a vendor",
            "short",
            [(_rate("diglot_received_webhooks_total", "outcome"), "{{outcome}} a second")],
            "Many with no_contact: the vendor has people whom nobody has imported here.",
        ),
        Panel(
            "First evaluations",
            "short",
            [
                ("max(diglot_pending_segments{JOB})", "segments that wait"),
                (_rate("diglot_first_evaluations_total", "outcome"), "{{outcome}} a second"),
            ],
        ),
        Panel("Duration of first evaluations", "s", _quantiles(_EVALUATION, "", 0.5, 0.99)),
        Panel(
            "Webhooks",
            "short",
            [
                (_rate("diglot_webhook_attempts_total", "outcome"), "{{outcome}} a second"),
                ("max(diglot_waiting_deliveries{JOB})", "waiting"),
            ],
        ),
        Panel(
            "Memberships behind time",
            "s",
            [
                ("max(diglot_workspace_clock_lag_seconds{JOB})", "clock"),
                ("max(diglot_oldest_evaluation_age_seconds{JOB})", "oldest full evaluation"),
            ],
        ),
        Panel(
            "Verification",
            "short",
            [
                ("max(diglot_verified_segments_total{JOB})", "verified segments"),
                ("max(diglot_repaired_segments_total{JOB})", "repaired segments"),
                ("max(diglot_repaired_contacts_total{JOB})", "repaired contacts"),
                ("max(diglot_uncompacted_log_changes{JOB})", "changes to compact"),
            ],
            "Any repair is a bug in Diglot.",
        ),
    ),
    "Processes": (
        Panel("CPU", "short", [("sum(rate(process_cpu_seconds_total{JOB}[$__rate_interval]))", "cores")]),
        Panel(
            "Memory",
            "bytes",
            [
                ("sum(process_resident_memory_bytes{JOB})", "resident"),
                ("sum(process_virtual_memory_bytes{JOB})", "virtual"),
            ],
        ),
        Panel(
            "Files and connections",
            "short",
            [("sum(process_open_fds{JOB})", "open"), ("sum(process_max_fds{JOB})", "at most")],
        ),
        Panel(
            "Processes",
            "short",
            [
                ("sum(diglot_processes{JOB})", "processes"),
                ("min(diglot_database_up{JOB})", "database up"),
                ("min(diglot_database_complete{JOB})", "database complete"),
                ("sum by (version, database) (diglot_build_info{JOB})", "{{version}} {{database}}"),
            ],
        ),
        Panel("Age", "s", [("time() - min(process_start_time_seconds{JOB})", "of the oldest server")]),
    ),
}


def render() -> str:
    """Return the dashboard as JSON."""
    return json.dumps(_dashboard(), indent=1) + "\n"


def _dashboard() -> dict[str, Any]:
    return {
        "title": "Diglot",
        "uid": "diglot",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "tags": ["diglot"],
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source_variable(), _job_variable()]},
        "panels": _panels(),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _job_variable() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(diglot_build_info, job)", "refId": "job"},
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "gridPos": _place(0, top, 24, 1)}
        )
        top += 1
        for index, panel in enumerate(row):
            line, column = divmod(index, 24 // _WIDTH)
            place = _place(column * _WIDTH, top + line * _HEIGHT, _WIDTH, _HEIGHT)
            panels.append(_panel(len(panels) + 1, panel, place))
        top += -(-len(row) * _WIDTH // 24) * _HEIGHT
    return panels


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query.replace("JOB", _JOB), "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }
