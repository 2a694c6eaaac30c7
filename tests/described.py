"""Whether an answer is as the OpenAPI document of its dialect describes it: that, and nothing besides."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jsonschema

from diglot.dialects.openapi import document
from diglot.dialects.registry import DIALECTS

_JSON: Final = "application/json"
_OURS: Final = "diglot-"


def undescribed(method: str, path: str, status: int, headers: Mapping[str, str], body: Any) -> str | None:
    """Return what the document does not say of an answer; None too where it has no such call."""
    described = next((one for one in _paths() if one.pattern.fullmatch(path)), None)
    if described is None or method.lower() not in described.calls:
        return None
    return "; ".join(described.faults(method.lower(), status, headers, body)) or None


@dataclass(frozen=True, slots=True)
class _Path:
    """A path of a document: its calls by their methods, and the schemas that these name."""

    pattern: re.Pattern[str]
    calls: Mapping[str, Any]
    components: Mapping[str, Any]

    def faults(self, method: str, status: int, headers: Mapping[str, str], body: Any) -> Iterator[str]:
        response = self.calls[method]["responses"].get(str(status))
        if response is None:
            yield f"status {status} is not described"
            return
        known = {name.lower() for name in response.get("headers", ())}
        for name in headers:
            if name.lower().startswith(_OURS) and name.lower() not in known:
                yield f"header {name} is not described"
        schema = {**response["content"][_JSON]["schema"], "components": self.components}
        for error in jsonschema.Draft202012Validator(schema).iter_errors(body):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"


@cache
def _paths() -> list[_Path]:
    """Return the paths of all documents, those with a word in the place of a parameter first."""
    return [
        _Path(
            re.compile(re.sub(r"\{\w+\}", "[^/]+", dialect.base.rstrip("/") + path)),
            calls,
            {"schemas": {name: _closed(one) for name, one in described["components"]["schemas"].items()}},
        )
        for dialect in DIALECTS
        for described in [document(dialect)]
        for path, calls in sorted(described["paths"].items(), key=lambda one: str(one[0]).count("{"))
    ]


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in which an object that says nothing of other keys has none."""
    return {"additionalProperties": False, **schema} if "properties" in schema else dict(schema)
