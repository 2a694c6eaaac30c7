"""Checks real exchanges against the OpenAPI documents: accepted requests and all responses must fit."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jsonschema
import msgspec

from diglot.api.annotations import LEGACY_KEY
from diglot.api.dialect import Dialect
from diglot.api.openapi import document as openapi_document
from diglot.dialects.registry import find_surface, get_dialect

JSON = "application/json"
# Headers of every response with a body.
SILENT = {"content-type", "content-length", "server", "x-content-type-options", "cache-control"}
# The prefix of a fault in a response, as opposed to one in an accepted request.
ANSWER = "answer"
FORMATS = jsonschema.FormatChecker(("uuid",))
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


@FORMATS.checks("date-time")
def is_instant(value: object) -> bool:
    """Return whether a string is an instant; other types are checked by another rule."""
    return not isinstance(value, str) or INSTANT.fullmatch(value) is not None


@FORMATS.checks("int64")
def is_int64(value: object) -> bool:
    """Return whether a number fits into the 64-bit integer of generated clients."""
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Walk every object of a document."""
    if isinstance(node, dict):
        yield node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in inner:
        yield from parts(each)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Walk the operations: path, method and description."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolved(document: Mapping[str, Any], part: Any) -> dict[str, Any]:
    """Return the target of a reference, and any other part unchanged."""
    while "$ref" in part:
        result: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            result = result[step]
        part = result
    assert isinstance(part, dict)
    return part


@cache
def document_of(dialect: str) -> dict[str, Any]:
    """Return the document of a dialect as a client reads it."""
    return msgspec.json.decode(openapi_document.encode_document(get_dialect(dialect)), type=dict[str, Any])


@cache
def _judge(dialect: str, pointer: str, *, closed: bool) -> jsonschema.Draft202012Validator:
    """Return the validator of a named schema; `closed` rejects properties that no schema names."""
    schemas = document_of(dialect)["components"]["schemas"]
    if closed:
        schemas = _closed(schemas)
    whole = {"$ref": pointer, "components": {"schemas": schemas}}
    return jsonschema.Draft202012Validator(whole, format_checker=FORMATS)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _closed(value) for key, value in schema.items()}
    if not isinstance(schema.get("properties"), dict):
        return inner
    older: dict[str, Any] = {name: {} for name in schema.get(LEGACY_KEY, ())}
    return {"additionalProperties": False, **inner, "properties": inner["properties"] | older}


def misfit(dialect: str, schema: Mapping[str, Any], value: Any, *, closed: bool = False) -> str | None:
    """Describe how a value violates a schema of a document; None if it fits."""
    judge = (
        _judge(dialect, schema["$ref"], closed=closed)
        if "$ref" in schema
        else jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
    )
    error = jsonschema.exceptions.best_match(judge.iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message[:300]}"


@dataclass(frozen=True)
class Call:
    """An operation of a document that matches a request."""

    dialect: Dialect
    operation: dict[str, Any]
    path: str

    def answer(self, status: int) -> dict[str, Any] | None:
        """Return the documented response of a status."""
        result = self.operation["responses"].get(str(status))
        return None if result is None else resolved(document_of(self.dialect.name), result)

    def parameters(self, where: str) -> dict[str, dict[str, Any]]:
        """Return the parameters in one place of the request, by name."""
        document = document_of(self.dialect.name)
        every = [resolved(document, parameter) for parameter in self.operation.get("parameters", ())]
        return {item["name"]: item for item in every if item["in"] == where}

    def typed(self, part: Mapping[str, Any], value: str) -> Any:
        """Return the string of a header or a parameter as the JSON type of its schema."""
        schema = resolved(document_of(self.dialect.name), part["schema"])
        try:
            return json.loads(value) if schema.get("type") in ("integer", "boolean") else value
        except ValueError:
            return value


def call_of(method: str, path: str) -> Call | None:
    """Return the operation of a request; None if the document has none."""
    result = find_surface(path)
    if result is None:
        return None
    dialect = result[0]
    inner = "/" + path.removeprefix(dialect.base_path).strip("/")
    fitting = [
        Call(dialect, operation, template)
        for template, its_method, operation in operations(document_of(dialect.name))
        if its_method == method.lower() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), inner)
    ]
    return min(fitting, key=lambda call: call.path.count("{"), default=None)


def contradiction(answer: httpx.Response) -> str | None:
    """Describe how an exchange contradicts a document; None if it does not."""
    request = answer.request
    call = call_of(request.method, urlsplit(str(request.url)).path)
    if call is None or answer.status_code == 405:
        return None if _of_no_call(answer) else f"{ANSWER}: the document has no such call"
    documented = call.answer(answer.status_code)
    if documented is None:
        return f"{ANSWER}: the document has no {answer.status_code} of {call.operation['operationId']}"
    if answer.status_code < 400 and (strange := _undocumented_query(call, request)):
        return f"query {strange} is not in the document"
    fault = _of_answer(call, documented, answer.headers, read_body(answer.headers, answer.content))
    return fault if fault or answer.status_code >= 400 else _of_request(call, request)


def _of_no_call(answer: httpx.Response) -> bool:
    """Return whether a response is of a kind that no operation returns."""
    return answer.request.method == "OPTIONS" or answer.status_code in (401, 404, 405)


def _undocumented_query(call: Call, request: httpx.Request) -> str | None:
    known = call.parameters("query")
    asked = parse_qsl(urlsplit(str(request.url)).query, keep_blank_values=True)
    return next((name for name, _ in asked if name not in known), None)


def contradiction_of_newer(
    method: str, target: str, status: int, headers: Mapping[str, str], body: Any
) -> str | None:
    """Describe how an exchange contradicts its document; None also if the document has no such call."""
    path, _, query = target.partition("?")
    call = call_of(method, path)
    if call is None or not set(dict(parse_qsl(query))).isdisjoint(call.operation.get(LEGACY_KEY, ())):
        return None
    documented = call.answer(status)
    if documented is None:
        return f"{ANSWER}: the document has no {status} of {call.operation['operationId']}"
    return _of_answer(call, documented, {name.lower(): value for name, value in headers.items()}, body)


def _of_answer(
    call: Call, documented: Mapping[str, Any], headers: Mapping[str, str], body: Any
) -> str | None:
    known = {name.lower() for name in documented["headers"]} | SILENT
    if strange := set(headers) - known:
        return f"{ANSWER}: the document has no header {', '.join(sorted(strange))}"
    for name, header in documented["headers"].items():
        described = resolved(document_of(call.dialect.name), header)
        value = headers.get(name.lower())
        if value is None:
            if described.get("required"):
                return f"{ANSWER}: header {name} is missing"
        elif fault := misfit(call.dialect.name, described["schema"], call.typed(described, value)):
            return f"{ANSWER}: header {name}: {fault}"
    content = documented["content"].get(media_type(headers))
    if content is None:
        return f"{ANSWER}: the document has no {media_type(headers)}"
    fault = misfit(call.dialect.name, content["schema"], body, closed=True)
    return fault and f"{ANSWER}: {fault}"


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a body, without its parameters."""
    return headers.get("content-type", JSON).partition(";")[0]


def read_body(headers: Mapping[str, str], content: bytes) -> Any:
    """Return a body as JSON, None if it is empty; of another media type as text."""
    if media_type(headers) != JSON:
        return content.decode()
    return json.loads(content) if content else None


def _of_request(call: Call, request: httpx.Request) -> str | None:
    known = call.parameters("query")
    for name, value in parse_qsl(urlsplit(str(request.url)).query, keep_blank_values=True):
        if fault := misfit(call.dialect.name, known[name]["schema"], call.typed(known[name], value)):
            return f"query {name}: {fault}"
    body = call.operation.get("requestBody")
    media = request.headers.get("content-type", "").partition(";")[0]
    if body is None or not request.content or media != JSON:
        return None
    fault = misfit(call.dialect.name, body["content"][JSON]["schema"], json.loads(request.content))
    return fault and f"accepted request {fault}"


def without_legacy(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value without the properties for legacy clients."""
    result = resolved(document, schema)
    if isinstance(value, list):
        return [without_legacy(document, result.get("items", {}), each) for each in value]
    if not isinstance(value, dict):
        return value
    fields, older = result.get("properties", {}), result.get(LEGACY_KEY, ())
    return {
        key: without_legacy(document, fields.get(key, {}), each)
        for key, each in value.items()
        if key not in older
    }


def as_sent(value: Any) -> str:
    """Return a value as responses contain it."""
    return msgspec.json.encode(value).decode()
