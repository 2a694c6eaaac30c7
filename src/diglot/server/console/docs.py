"""The documentation: `/docs` and its pages, an API reference for each dialect, the OpenAPI documents.

Nothing is loaded from another origin, because the reference (Swagger UI) is part of the package.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache, partial
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from diglot import __version__
from diglot.api.dialect import Dialect
from diglot.api.responses import Headers
from diglot.dialects.registry import DIALECTS
from diglot.errors import NotFound
from diglot.server.console import manual, static_files
from diglot.server.console.compressed_files import CompressedContent, compress_content
from diglot.server.console.routing import build_route

DOCS_PATH: Final = "/docs"
DOCUMENT_PATHS: Final = tuple(path for one in DIALECTS for path in (one.json_path, one.yaml_path))
_TEMPLATES: Final = Path(__file__).with_name("templates")
# Clients revalidate at each use, and get a 304 if nothing changed.
_NO_CACHE: Final = (b"cache-control", b"no-cache")
_CONTENT_SECURITY_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final[Headers] = (
    _NO_CACHE,
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", _CONTENT_SECURITY_POLICY),
)
_Request = Request[Any, Any, Any]
_MANUAL_PATHS: Final = (
    (f"{manual.PAGES_PATH}/{{page:str}}", "page"),
    *((f"{manual.PAGES_PATH}/{name}/{{page:str}}", name) for name in manual.FOLDERS),
    (f"{manual.FILES_PATH}/{{file:str}}", "file"),
)
_SHORT_CONTENTS: Final = 3
_INDEX_HEAD: Final = (
    "<h1>Documentation</h1>"
    "<p>One store, two vendors' audience APIs. A client moves over by changing its base URL.</p>"
)


def build_routes(*, console: str | None = None) -> list[HTTPRouteHandler]:
    """Return the routes; `console` is the path of the console, if pages link to it."""
    answer = _manual_answer(console)
    routes = [
        _cached_route(DOCS_PATH, "docs", partial(_render_index, console)),
        _cached_route(f"{DOCS_PATH}/README.md", "readme", _render_readme),
        *(build_route(path, "GET", name, answer) for path, name in _MANUAL_PATHS),
        build_route(static_files.ASSETS_PATH + "/{digest:str}/{name:str}", "GET", "asset", _serve_asset),
    ]
    for dialect in DIALECTS:
        routes += [
            _cached_route(
                f"{DOCS_PATH}/{dialect.name}",
                f"{dialect.name}Reference",
                _bind_dialect(_render_reference, dialect),
            ),
            _cached_route(dialect.json_path, f"{dialect.name}Json", _bind_dialect(_render_json, dialect)),
            _cached_route(dialect.yaml_path, f"{dialect.name}Yaml", _bind_dialect(_render_yaml, dialect)),
        ]
    return routes


def _manual_answer(console: str | None) -> Callable[[_Request], Awaitable[ASGIApp]]:
    """Return the handler of the pages of the manual and of its files; it raises `NotFound`."""

    async def answer(request: _Request) -> ASGIApp:
        path = request.scope["path"].rstrip("/")
        return await asyncio.to_thread(_render_file, path, console)

    return answer


def _render_index(console: str | None) -> CompressedContent:
    """Return the first page: the references of the dialects, and all pages with what they are about."""
    entries = [_fill_template("dialect.html", **_dialect_values(dialect)) for dialect in DIALECTS]
    paths = manual.open_manual().paths
    sections = [
        f"<section><h2>{escape(title)}</h2><ul>"
        + "".join(_render_link(paths[file], name, note=note) for file, name, note in pages)
        + "</ul></section>"
        for title, pages in manual.SECTIONS
    ]
    article = f'{_INDEX_HEAD}<div class="pages" id="pages">{"".join((*sections, *entries))}</div>'
    return _fill_manual("Documentation", article, console)


@cache
def _render_file(path: str, console: str | None) -> CompressedContent:
    """Return a page or a file of the manual by its path, rendered once; raise `NotFound`."""
    from diglot.server.console.markdown_pages import render_page  # noqa: PLC0415 - a start needs no page

    opened = manual.open_manual()
    file = opened.find_file(path)
    if file is None:
        raise NotFound("route")
    text = opened.read(file)
    if file in manual.FILES:
        return compress_content(b"text/plain; charset=utf-8", text.encode(), (_NO_CACHE,))
    page = render_page(text, lambda link: opened.resolve(file, link))
    links = "".join(
        f'<li><a href="#{escape(each.anchor)}">{escape(each.text)}</a></li>' for each in page.contents
    )
    contents = f'<details class="contents"><summary>On this page</summary><ul>{links}</ul></details>'
    is_long = len(page.contents) >= _SHORT_CONTENTS
    return _fill_manual(
        page.title,
        page.html,
        console,
        contents=contents if is_long else "",
        navigation=_render_navigation(path),
    )


def _fill_manual(
    title: str, article: str, console: str | None, *, contents: str = "", navigation: str = ""
) -> CompressedContent:
    values = {"article": article, "contents": contents, "navigation": navigation}
    link = "" if console is None else f'<a href="{escape(console)}">Console</a>'
    return _render_page("manual.html", title=escape(title), console=link, **values)


def _render_navigation(current: str) -> str:
    """Return the links to all pages, of which the current one is marked."""
    references = [(f"{DOCS_PATH}/{dialect.name}", f"{dialect.title} calls") for dialect in DIALECTS]
    paths = manual.open_manual().paths
    sections = [(title, [(paths[file], name) for file, name, _ in pages]) for title, pages in manual.SECTIONS]
    lists = "\n".join(
        f"<p>{escape(title)}</p><ul>{''.join(_render_link(*link, current) for link in links)}</ul>"
        for title, links in (*sections, ("API reference", references))
    )
    return f'<nav id="pages" aria-label="Pages">{lists}</nav>'


def _render_link(path: str, name: str, current: str = "", note: str = "") -> str:
    mark = ' aria-current="page"' if path == current else ""
    said = f" <small>{escape(note)}</small>" if note else ""
    return f'<li><a href="{escape(path)}"{mark}>{escape(name)}</a>{said}</li>'


def _cached_route(path: str, name: str, render: Callable[[], CompressedContent]) -> HTTPRouteHandler:
    """Return the route of content that is rendered at its first request and then cached."""
    cached_content = cache(render)

    async def answer(_: _Request) -> ASGIApp:
        return await asyncio.to_thread(cached_content)

    return build_route(path, "GET", name, answer)


def _bind_dialect(
    render: Callable[[Dialect], CompressedContent], dialect: Dialect
) -> Callable[[], CompressedContent]:
    return lambda: render(dialect)


def _render_json(dialect: Dialect) -> CompressedContent:
    from diglot.api.openapi import document  # noqa: PLC0415 - a start needs no document

    return compress_content(b"application/json", document.encode_document(dialect), (_NO_CACHE,))


def _render_yaml(dialect: Dialect) -> CompressedContent:
    from diglot.api.openapi import document  # noqa: PLC0415 - see _render_json

    return compress_content(b"application/yaml", document.encode_document_yaml(dialect), (_NO_CACHE,))


def _render_readme() -> CompressedContent:
    """Return the README from the metadata of the installed package."""
    from importlib.metadata import metadata  # noqa: PLC0415 - imported like the documents, on request

    text = str(metadata("diglot").json["description"])
    return compress_content(b"text/plain; charset=utf-8", text.encode(), (_NO_CACHE,))


def _render_reference(dialect: Dialect) -> CompressedContent:
    return _render_page("reference.html", **_dialect_values(dialect))


def _dialect_values(dialect: Dialect) -> dict[str, str]:
    """Return the values that templates show for a dialect."""
    values = {
        "name": dialect.name,
        "title": dialect.title,
        "description": dialect.description,
        "prefix": dialect.prefix,
        "json": dialect.json_path,
        "yaml": dialect.yaml_path,
    }
    return {key: escape(value) for key, value in values.items()}


def _render_page(template: str, **values: str) -> CompressedContent:
    text = _fill_template(template, version=escape(__version__), **_asset_paths(), **values)
    return compress_content(b"text/html; charset=utf-8", text.encode(), _PAGE_HEADERS)


def _asset_paths() -> dict[str, str]:
    """Return the path of each asset, by the name that templates use."""
    return {
        name.replace(".", "_").replace("-", "_"): static_files.asset_path(name)
        for name in static_files.ASSET_NAMES
    }


def _fill_template(template: str, **values: str) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)


async def _serve_asset(request: _Request) -> ASGIApp:
    parameters = request.scope["path_params"]
    asset = await asyncio.to_thread(static_files.find_asset, parameters["digest"], parameters["name"])
    if asset is None:
        raise NotFound("route")
    return asset
