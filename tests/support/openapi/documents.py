"""The OpenAPI documents as a judge of real exchanges: what was answered, or accepted, stands there."""

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
# Headers that every answer with a body has.
SILENT = {"content-type", "content-length"}
# How a fault of an answer begins, as opposed to one of a request that was accepted.
ANSWER = "answer"
FORMATS = jsonschema.FormatChecker(("uuid",))
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


@FORMATS.checks("date-time")
def is_instant(value: object) -> bool:
    """Tell whether a text is an instant; what is no text is another rule's matter."""
    return not isinstance(value, str) or INSTANT.fullmatch(value) is not None


@FORMATS.checks("int64")
def is_int64(value: object) -> bool:
    """Tell whether a number fits the integer that generated clients have for it."""
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Walk every object of a document."""
    if isinstance(node, dict):
        yield node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in inner:
        yield from parts(each)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Walk the operations: path, method, what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolved(document: Mapping[str, Any], part: Any) -> dict[str, Any]:
    """Return what a reference stands for, any other part as it is."""
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    assert isinstance(part, dict)
    return part


@cache
def document_of(dialect: str) -> dict[str, Any]:
    """Return the document of a dialect as a client reads it."""
    return msgspec.json.decode(openapi_document.encode_document(get_dialect(dialect)), type=dict[str, Any])


@cache
def _judge(dialect: str, pointer: str, *, closed: bool) -> jsonschema.Draft202012Validator:
    """Return the validator of a named schema; `closed` refuses what no schema names."""
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
    """Return how a value fails a schema of a document, None when it fits."""
    judge = (
        _judge(dialect, schema["$ref"], closed=closed)
        if "$ref" in schema
        else jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
    )
    error = jsonschema.exceptions.best_match(judge.iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message[:300]}"


@dataclass(frozen=True)
class Call:
    """An operation of a document, found by a request."""

    dialect: Dialect
    operation: dict[str, Any]
    path: str

    def answer(self, status: int) -> dict[str, Any] | None:
        """Return what is said of an answer of a status."""
        found = self.operation["responses"].get(str(status))
        return None if found is None else resolved(document_of(self.dialect.name), found)

    def parameters(self, where: str) -> dict[str, dict[str, Any]]:
        """Return the parameters in a place of the request, by name."""
        document = document_of(self.dialect.name)
        every = [resolved(document, one) for one in self.operation.get("parameters", ())]
        return {one["name"]: one for one in every if one["in"] == where}

    def typed(self, part: Mapping[str, Any], value: str) -> Any:
        """Return the text of a header or a parameter as the JSON that its schema speaks of."""
        schema = resolved(document_of(self.dialect.name), part["schema"])
        try:
            return json.loads(value) if schema.get("type") in ("integer", "boolean") else value
        except ValueError:
            return value


def call_of(method: str, path: str) -> Call | None:
    """Return the operation that a request is for; None where the document has none."""
    found = find_surface(path)
    if found is None:
        return None
    dialect = found[0]
    inner = "/" + path.removeprefix(dialect.base_path).strip("/")
    fitting = [
        Call(dialect, operation, template)
        for template, its_method, operation in operations(document_of(dialect.name))
        if its_method == method.lower() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), inner)
    ]
    return min(fitting, key=lambda call: call.path.count("{"), default=None)


def unsaid(answer: httpx.Response) -> str | None:
    """Return what a document does not say of an exchange, None when it says all."""
    request = answer.request
    call = call_of(request.method, urlsplit(str(request.url)).path)
    if call is None or answer.status_code == 405:
        return None if _of_no_call(answer) else f"{ANSWER}: the document has no such call"
    told = call.answer(answer.status_code)
    if told is None:
        return f"{ANSWER}: the document has no {answer.status_code} of {call.operation['operationId']}"
    if answer.status_code < 400 and (strange := _undocumented_query(call, request)):
        return f"query {strange} is not in the document"
    fault = _of_answer(call, told, answer.headers, answer.json())
    return fault if fault or answer.status_code >= 400 else _of_request(call, request)


def _of_no_call(answer: httpx.Response) -> bool:
    """Tell whether an answer is of the kind that no call gives."""
    return answer.request.method == "OPTIONS" or answer.status_code in (401, 404, 405)


def _undocumented_query(call: Call, request: httpx.Request) -> str | None:
    known = call.parameters("query")
    asked = parse_qsl(urlsplit(str(request.url)).query, keep_blank_values=True)
    return next((name for name, _ in asked if name not in known), None)


def undescribed(method: str, target: str, status: int, headers: Mapping[str, str], body: Any) -> str | None:
    """Return what a document does not say of an answer; None too where it has no such call, or no more."""
    path, _, query = target.partition("?")
    call = call_of(method, path)
    if call is None or not set(dict(parse_qsl(query))).isdisjoint(call.operation.get(LEGACY_KEY, ())):
        return None
    told = call.answer(status)
    if told is None:
        return f"{ANSWER}: the document has no {status} of {call.operation['operationId']}"
    return _of_answer(call, told, {name.lower(): value for name, value in headers.items()}, body)


def _of_answer(call: Call, told: Mapping[str, Any], headers: Mapping[str, str], body: Any) -> str | None:
    known = {name.lower() for name in told["headers"]} | SILENT
    if strange := set(headers) - known:
        return f"{ANSWER}: the document has no header {', '.join(sorted(strange))}"
    for name, header in told["headers"].items():
        described = resolved(document_of(call.dialect.name), header)
        value = headers.get(name.lower())
        if value is None:
            if described.get("required"):
                return f"{ANSWER}: header {name} is missing"
        elif fault := misfit(call.dialect.name, described["schema"], call.typed(described, value)):
            return f"{ANSWER}: header {name}: {fault}"
    fault = misfit(call.dialect.name, told["content"][JSON]["schema"], body, closed=True)
    return fault and f"{ANSWER}: {fault}"


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


def newest(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> Any:
    """Return a value without what stands in it for older clients only."""
    found = resolved(document, schema)
    if isinstance(value, list):
        return [newest(document, found.get("items", {}), each) for each in value]
    if not isinstance(value, dict):
        return value
    fields, older = found.get("properties", {}), found.get(LEGACY_KEY, ())
    return {
        key: newest(document, fields.get(key, {}), each) for key, each in value.items() if key not in older
    }


def written(value: Any) -> str:
    """Return a value as answers have it."""
    return msgspec.json.encode(value).decode()
