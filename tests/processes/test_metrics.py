"""The metrics of a server process, as its operator's Prometheus reads them."""

import httpx

from diglot.server.metrics import METRIC_NAMES
from support.servers.process import ServerProcess


async def test_every_metric_is_exported(process: ServerProcess) -> None:
    """A real server exports each metric once, with its help; a healthy one has repaired nothing."""
    async with httpx.AsyncClient(base_url=process.base) as client:
        answer = await client.get("/metrics")
        head = await client.head("/metrics")
    assert (answer.status_code, head.status_code, head.content) == (200, 200, b"")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    reported = [line.split(" ") for line in lines if not line.startswith("#")]
    assert tuple(name for name, _ in reported) == METRIC_NAMES
    results = dict(reported)
    assert all(f"# TYPE {name} " in answer.text and f"# HELP {name} " in answer.text for name in METRIC_NAMES)
    assert all(float(value) >= 0 for value in results.values())
    assert float(results["diglot_repaired_segments_total"]) == 0
