"""Traces of OpenTelemetry: a span for each request, with a child for each unit of work on the database.

The extra `otel` installs what this module imports, so it is imported only if the setting asks for traces.
Names and attributes follow OpenTelemetry's semantic conventions for HTTP. Where spans go, and how many, is
what the standard's OTEL_... variables say.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from diglot import __version__
from diglot.dialects.registry import DIALECTS, find_surface
from diglot.errors import DiglotError, Unavailable
from diglot.request_record import RequestRecord
from diglot.server.access_log import loggable_path
from diglot.server.guards.networks import find_address
from diglot.server.guards.redaction import redact

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_PARENT_HEADERS: Final = (b"traceparent", b"tracestate")
# The path of an operation below the prefix of its surface, without the types of its parameters.
_PATHS: Final = {
    f"{dialect.name}.{operation.id}": operation.path.replace(":str}", "}")
    for dialect in DIALECTS
    for _, operation in dialect.operations
}
# Methods that a span may be named after; any other is HTTP, because clients invent them.
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE")


class OpenTelemetry:
    """Creates the spans of this process; `proxies` is the number of reverse proxies before the server."""

    def __init__(self, proxies: int, database: str, processor: SpanProcessor | None = None) -> None:
        self._proxies = proxies
        self._database = database
        self._provider = TracerProvider(resource=_describe_service())
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("diglot", __version__)

    @contextmanager
    def request(self, scope: Mapping[str, Any], record: RequestRecord) -> Iterator[None]:
        """Create the span of a request; its parent is the client's span, if the client names one."""
        carrier = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _PARENT_HEADERS
        }
        method = scope["method"] if scope["method"] in _METHODS else "HTTP"
        with self._tracer.start_as_current_span(
            method,
            _PROPAGATOR.extract(carrier),
            SpanKind.SERVER,
            _request_attributes(scope, self._proxies),
            record_exception=False,
        ) as span:
            try:
                yield
            finally:
                _describe_response(span, method, scope["path"], record)

    @contextmanager
    def unit(self, kind: str) -> Iterator[None]:
        """Create the span of a unit of work on the database."""
        attributes = {"db.system.name": self._database, "db.operation.name": kind}
        with self._tracer.start_as_current_span(
            f"database {kind}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            # A message may have personal data.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                if not isinstance(error, DiglotError) or isinstance(error, Unavailable):
                    span.set_status(StatusCode.ERROR)
                raise

    def close(self) -> None:
        """Export what is left; this may take seconds."""
        self._provider.shutdown()


def _describe_service() -> Resource:
    """Return what the spans say about this server; the environment may name it otherwise."""
    attributes: dict[str, str] = {"service.version": __version__}
    named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if "OTEL_SERVICE_NAME" not in os.environ and "service.name=" not in named:
        attributes["service.name"] = "diglot"
    return Resource.create(attributes)


def _request_attributes(scope: Mapping[str, Any], proxies: int) -> dict[str, str | int]:
    headers = dict(scope["headers"])
    attributes: dict[str, str | int] = {
        "http.request.method": scope["method"] if scope["method"] in _METHODS else "_OTHER",
        "url.path": loggable_path(scope["path"]),
        "url.scheme": scope["scheme"],
        "client.address": find_address(scope, proxies),
        "network.protocol.version": scope.get("http_version", ""),
        "server.address": headers.get(b"host", b"").decode("latin-1").partition(":")[0],
        "user_agent.original": redact(headers.get(b"user-agent", b"").decode("latin-1")),
    }
    return {name: value for name, value in attributes.items() if value != ""}


def _describe_response(span: Span, method: str, path: str, record: RequestRecord) -> None:
    surface = find_surface(path)
    if record.operation in _PATHS and surface is not None:
        route = surface[1].prefix + _PATHS[record.operation]
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
        span.set_attribute("diglot.operation", record.operation)
    if record.workspace is not None:
        span.set_attribute("diglot.workspace", record.workspace)
    span.set_attribute("diglot.request_id", record.id)
    if record.status:
        span.set_attribute("http.response.status_code", record.status)
    if record.status >= 500:
        span.set_attribute("error.type", str(record.status))
        span.set_status(StatusCode.ERROR)
