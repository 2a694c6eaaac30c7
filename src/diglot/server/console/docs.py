"""The documentation in the server: `/docs`, a reference of each dialect, and the OpenAPI documents.

Nothing of it comes from another origin: the reference is Swagger UI, which stands in the package.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from html import escape
from importlib.metadata import metadata
from pathlib import Path
from string import Template
from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from diglot import __version__
from diglot.api.dialect import Dialect
from diglot.api.openapi import document
from diglot.api.responses import Headers
from diglot.dialects.registry import DIALECTS
from diglot.errors import NotFound
from diglot.server.console import static_files
from diglot.server.console.compressed_files import Packed, packed
from diglot.server.console.routing import routed

PATH: Final = "/docs"
DOCUMENTS: Final = tuple(path for one in DIALECTS for path in (one.json_at, one.yaml_at))
_TEMPLATES: Final = Path(__file__).with_name("templates")
# Asked for again each time, and answered in one line when nothing changed.
_CURRENT: Final = (b"cache-control", b"no-cache")
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final[Headers] = (
    _CURRENT,
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _POLICY),
)
_Request = Request[Any, Any, Any]


def routes() -> list[HTTPRouteHandler]:
    """Return the routes."""
    found = [
        _route(PATH, "docs", _index),
        _route(f"{PATH}/README.md", "readme", _readme),
        routed(static_files.PATH + "/{digest:str}/{name:str}", "GET", "asset", _asset),
    ]
    for dialect in DIALECTS:
        found += [
            _route(f"{PATH}/{dialect.name}", f"{dialect.name}Reference", _bound(_reference, dialect)),
            _route(dialect.json_at, f"{dialect.name}Json", _bound(_json, dialect)),
            _route(dialect.yaml_at, f"{dialect.name}Yaml", _bound(_yaml, dialect)),
        ]
    return found


def _route(path: str, name: str, made: Callable[[], Packed]) -> HTTPRouteHandler:
    """Return the route of what is made when it is first asked for."""
    kept = cache(made)

    async def answer(_: _Request) -> ASGIApp:
        return await asyncio.to_thread(kept)

    return routed(path, "GET", name, answer)


def _bound(made: Callable[[Dialect], Packed], dialect: Dialect) -> Callable[[], Packed]:
    return lambda: made(dialect)


def _json(dialect: Dialect) -> Packed:
    return packed(b"application/json", document.encoded(dialect), (_CURRENT,))


def _yaml(dialect: Dialect) -> Packed:
    return packed(b"application/yaml", document.encoded_yaml(dialect), (_CURRENT,))


def _readme() -> Packed:
    """Return the README, which is what an installation says of itself."""
    text = str(metadata("diglot").json["description"])
    return packed(b"text/plain; charset=utf-8", text.encode(), (_CURRENT,))


def _index() -> Packed:
    listed = [_filled("dialect.html", **_said(dialect)) for dialect in DIALECTS]
    return _page("index.html", dialects="\n".join(listed))


def _reference(dialect: Dialect) -> Packed:
    return _page("reference.html", **_said(dialect))


def _said(dialect: Dialect) -> dict[str, str]:
    """Return what pages say of a dialect."""
    said = {
        "name": dialect.name,
        "title": dialect.title,
        "description": dialect.description,
        "prefix": dialect.prefix,
        "json": dialect.json_at,
        "yaml": dialect.yaml_at,
    }
    return {key: escape(value) for key, value in said.items()}


def _page(template: str, **values: str) -> Packed:
    text = _filled(template, version=escape(__version__), **_addresses(), **values)
    return packed(b"text/html; charset=utf-8", text.encode(), _PAGE)


def _addresses() -> dict[str, str]:
    """Return the address of each asset, by its name as templates write it."""
    return {
        name.replace(".", "_").replace("-", "_"): static_files.address(name) for name in static_files.NAMES
    }


def _filled(template: str, **values: str) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)


async def _asset(request: _Request) -> ASGIApp:
    parameters = request.scope["path_params"]
    found = await asyncio.to_thread(static_files.find, parameters["digest"], parameters["name"])
    if found is None:
        raise NotFound("route")
    return found
