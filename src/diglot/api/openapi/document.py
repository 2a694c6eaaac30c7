"""The OpenAPI 3.1 document of a dialect, from its operations and structs: nothing in it is written twice."""

import re
from typing import Any, Final

import msgspec
import yaml

from diglot import __version__
from diglot.api.dialect import Dialect
from diglot.api.openapi.error_responses import faults
from diglot.api.openapi.examples import Examples, examples_of
from diglot.api.openapi.headers import IDEMPOTENCY_KEY, headers
from diglot.api.openapi.operations import PARAMETER, operation, path_parameters
from diglot.api.openapi.schemas import said_twice, schemas

_ABOUT: Final = (
    "What the vendor does not have is marked `x-diglot-extension`: `true` on a call, a parameter or a "
    "header; on an object or an enumeration the names of those of its fields or values. What older "
    "clients say or read in the place of a field is named by `x-diglot-older-spelling`. A field may be added "
    "to an answer at any time. No text that is sent holds U+0000, and no name is of white space alone."
)


def document(dialect: Dialect) -> dict[str, Any]:
    """Return the document of a dialect."""
    examples = examples_of(dialect.name)
    parameters = path_parameters(dialect, examples) | {"IdempotencyKey": IDEMPOTENCY_KEY}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Diglot: {dialect.title}",
            "version": __version__,
            "description": f"{dialect.description} {_ABOUT}",
            "contact": {"name": "The operator of this server"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": dialect.base, "description": "This server."}],
        "security": [{name: [] for name in together} for together in dialect.security],
        "tags": [{"name": name, "description": text} for name, text in dialect.tags.items()],
        "paths": _paths(dialect, examples),
        "components": {
            "schemas": schemas(dialect),
            "parameters": {name: said_twice(one) for name, one in parameters.items()},
            "headers": headers(dialect),
            "responses": faults(dialect),
            "securitySchemes": dialect.schemes,
        },
    }


def encoded(dialect: Dialect) -> bytes:
    """Return the document as the file holds it."""
    return msgspec.json.format(msgspec.json.encode(document(dialect)), indent=2) + b"\n"


def encoded_yaml(dialect: Dialect) -> bytes:
    """Return the same document as YAML."""
    # From what the file says: what stands in two places of the document would be an alias in the second.
    plain = msgspec.json.decode(encoded(dialect))
    written: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)
    return written.encode()


def _paths(dialect: Dialect, examples: Examples) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for surface, one in dialect.calls:
        path = f"/{surface.prefix.removeprefix(dialect.base)}/{one.path}"
        path = re.sub("/+", "/", PARAMETER.sub(r"{\1}", path))
        described = operation(dialect, surface, one, examples.get(one.id))
        paths.setdefault(path, {})[one.method.lower()] = described
    return paths
