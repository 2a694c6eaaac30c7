"""The metrics of a server process, as its operator's Prometheus reads them."""

import httpx

from diglot.server.observability.families import FAMILIES, HISTOGRAM
from diglot.server.observability.process_metrics import PROCESS_FAMILIES
from diglot.server.observability.stored_metrics import STORED_FAMILIES
from support.metrics_page import MetricsPage
from support.servers.process import ServerProcess


async def test_every_metric_is_exported(process: ServerProcess) -> None:
    """A real server exports each metric with its kind and help; a healthy one has repaired nothing."""
    async with httpx.AsyncClient(base_url=process.base) as client:
        await client.get("/health")
        answer = await client.get("/metrics")
        head = await client.head("/metrics")
    assert (answer.status_code, head.status_code, head.content) == (200, 200, b"")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    page = MetricsPage(answer.text)
    kinds = {one.name: one.type for one in page.families}
    for family in (*FAMILIES, *STORED_FAMILIES, *PROCESS_FAMILIES):
        assert kinds[family.name.removesuffix("_total")] == family.kind
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert family.kind == HISTOGRAM or page.sum(family.name) >= 0
    assert page.value("diglot_repaired_segments_total") == 0
    assert page.value("diglot_database_up") == 1
    assert page.value("diglot_build_info") == 1
    assert page.value("process_cpu_seconds_total") > 0
    assert page.value("diglot_http_requests_in_flight") == 1, "the request that reads the page"
