"""Traces of OpenTelemetry, read from an exporter in memory."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from diglot.server.observability import open_telemetry
from diglot.server.observability.open_telemetry import OpenTelemetry
from diglot.service.audience.segments import Segments
from diglot.settings import Settings
from support.engines import Database
from support.servers.in_process import Server, bearer, serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Return the exporter of every server that begins from now on."""
    exporter = InMemorySpanExporter()

    def create(proxies: int, database: str) -> OpenTelemetry:
        return OpenTelemetry(proxies, database, SimpleSpanProcessor(exporter))

    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.setattr(open_telemetry, "OpenTelemetry", create)
    return exporter


@pytest_asyncio.fixture
async def traced(database: Database, exported: InMemorySpanExporter) -> AsyncIterator[Server]:
    """Lend a server that traces."""
    del exported
    async with database.fresh() as url, serving(url, traces=True) as server:
        yield server


def spans_of(exported: InMemorySpanExporter) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """Return the span of the only request, and those of its units in order."""
    spans = exported.get_finished_spans()
    [request] = [span for span in spans if span.kind is SpanKind.SERVER]
    return request, [span for span in spans if span is not request]


async def test_a_request_is_a_span_with_units(traced: Server, exported: InMemorySpanExporter) -> None:
    """Names and attributes are those of the conventions; the client's span is the parent."""
    key = await traced.key("misar", "one")
    headers = {**bearer(key), "traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "r1"}
    exported.clear()
    await traced.client.get("/mail/v1/segments/nothing?q=zoe@example.com", headers=headers)
    request, units = spans_of(exported)
    assert request.name == "GET /mail/v1/segments/{segment_id}".replace("{segment_id}", _parameter(request))
    assert request.attributes is not None
    assert {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "url.path": "/mail/v1/segments/nothing",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "server.address": "diglot",
        "diglot.operation": "misar.getSegment",
        "diglot.request_id": "r1",
    }.items() <= request.attributes.items()
    assert request.context is not None
    assert request.parent is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert request.status.status_code is StatusCode.UNSET, "a 404 is no error of the server"
    assert units
    for unit in units:
        assert unit.parent is not None
        assert unit.parent.span_id == request.context.span_id
        assert unit.name.startswith("database ")
    assert request.resource.attributes["service.name"] == "diglot"
    # Ids are hexadecimal, so a name of other letters cannot be in one.
    everything = "".join(span.to_json() for span in (request, *units))
    assert key not in everything
    assert "zoe" not in everything


def _parameter(span: ReadableSpan) -> str:
    assert span.attributes is not None
    return str(span.attributes["http.route"]).rpartition("/")[2]


async def test_a_crash_is_an_error(
    traced: Server, exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span says 500; it has no message, which may have personal data."""

    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError("zoe@example.com")

    monkeypatch.setattr(Segments, "find_known", crash)
    headers = bearer(await traced.key("misar", "one"))
    exported.clear()
    await traced.client.get("/mail/v1/segments/x", headers=headers)
    request, _ = spans_of(exported)
    assert request.status.status_code is StatusCode.ERROR
    assert request.attributes is not None
    assert request.attributes["error.type"] == "500"
    assert "zoe" not in "".join(span.to_json() for span in exported.get_finished_spans())


async def test_unknown_paths_have_one_name(traced: Server, exported: InMemorySpanExporter) -> None:
    """A span is never named after what a client invents."""
    await traced.client.request("BREW", "/invented")
    request, _ = spans_of(exported)
    assert request.name == "HTTP"


async def test_traces_are_off_by_default(database: Database, exported: InMemorySpanExporter) -> None:
    """Without the setting nothing is created."""
    async with database.fresh() as url, serving(url) as server:
        await server.client.get("/mail/v1/segments")
    assert exported.get_finished_spans() == ()
    assert Settings().traces is False
