"""Builds the OpenAPI 3.1 document of a dialect from its operations and structs."""

import re
from typing import Any, Final

import msgspec

from diglot import __version__
from diglot.api.dialect import Dialect
from diglot.api.openapi.error_responses import build_error_responses
from diglot.api.openapi.examples import Examples, load_examples
from diglot.api.openapi.headers import IDEMPOTENCY_KEY, build_headers
from diglot.api.openapi.operations import PATH_PARAMETER, build_path_parameters, describe_operation
from diglot.api.openapi.schemas import build_schemas, with_schema_description

_ABOUT: Final = (
    "Extensions, which the vendor does not have, are marked `x-diglot-extension`: the value is `true` on a "
    "call, a parameter or a header; on an object or an enumeration it lists the fields or values that are "
    "extensions. Older field names are listed in `x-diglot-older-spelling`. Responses may gain fields at any "
    "time. Strings must not contain U+0000, and names must not be blank."
)


def build_document(dialect: Dialect) -> dict[str, Any]:
    """Build the OpenAPI document of a dialect."""
    examples = load_examples(dialect)
    parameters = build_path_parameters(dialect, examples) | {"IdempotencyKey": IDEMPOTENCY_KEY}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Diglot: {dialect.title}",
            "version": __version__,
            "description": f"{dialect.description} {_ABOUT}",
            "contact": {"name": "The operator of this server"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": dialect.base_path, "description": "This server."}],
        "security": [{name: [] for name in together} for together in dialect.security_options],
        "tags": [{"name": name, "description": text} for name, text in dialect.tag_descriptions.items()],
        "paths": _build_paths(dialect, examples),
        "components": {
            "schemas": build_schemas(dialect),
            "parameters": {name: with_schema_description(one) for name, one in parameters.items()},
            "headers": build_headers(dialect),
            "responses": build_error_responses(dialect),
            "securitySchemes": dialect.security_schemes,
        },
    }


def encode_document(dialect: Dialect) -> bytes:
    """Return the document as indented JSON, the content of its file in `openapi/`."""
    return msgspec.json.format(msgspec.json.encode(build_document(dialect)), indent=2) + b"\n"


def encode_document_yaml(dialect: Dialect) -> bytes:
    """Return the same document as YAML."""
    import yaml  # noqa: PLC0415 - only a request for YAML needs it

    # Decode the JSON first, because the YAML writer emits aliases for objects that the document shares.
    plain = msgspec.json.decode(encode_document(dialect))
    written: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)
    return written.encode()


def _build_paths(dialect: Dialect, examples: Examples) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for surface, one in dialect.operations:
        path = f"/{surface.prefix.removeprefix(dialect.base_path)}/{one.path}"
        path = re.sub("/+", "/", PATH_PARAMETER.sub(r"{\1}", path))
        described = describe_operation(dialect, surface, one, examples.get(one.id))
        paths.setdefault(path, {})[one.method.lower()] = described
    return paths
