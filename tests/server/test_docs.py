"""The documentation in the server: pages, their assets, the documents, and how to switch it off."""

import gzip
from collections.abc import AsyncIterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest
import pytest_asyncio
import yaml

from diglot.api.dialect import Dialect
from diglot.console import assets
from diglot.dialects.registry import DIALECTS
from diglot.server.console import docs, manual, static_files
from diglot.settings import Settings
from support.paths import ROOT
from tools import links, vendored

FILES: Final = ROOT / "openapi"
PACKED: Final = {"Accept-Encoding": "gzip"}
PLAIN: Final = {"Accept-Encoding": "identity"}
# A server that does not exist, so that a forwarded request would be a 502.
NOWHERE: Final = "http://127.0.0.1:9"
each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
each_document = pytest.mark.parametrize("path", docs.DOCUMENT_PATHS)


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of an app."""
    async with links.client(Settings(database=str(tmp_path / "none.db"))) as client:
        yield client


async def of_no_docs(tmp_path: Path, path: str, **more: Any) -> httpx.Response:
    """Return the response of a server without documentation."""
    settings = Settings(database=str(tmp_path / "none.db"), docs=False, **more)
    async with links.client(settings) as client:
        return await client.get(path)


@each_dialect
async def test_the_documents_equal_the_repositorys(client: httpx.AsyncClient, dialect: Dialect) -> None:
    """The JSON is equal to the byte, the YAML has the same content in the same order."""
    file = (FILES / f"{dialect.name}.json").read_bytes()
    json = await client.get(dialect.json_path)
    assert (json.status_code, json.headers["content-type"]) == (200, "application/json")
    assert json.content == file
    answer = await client.get(dialect.yaml_path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/yaml")
    # YAML reads as the JSON, its order included.
    assert msgspec.json.encode(yaml.safe_load(answer.content)) == msgspec.json.encode(
        msgspec.json.decode(file)
    )


def test_the_addresses_of_the_documents() -> None:
    """Topmail's pages give the address of its YAML; Diglot chose all others, and they must stay."""
    results = {dialect.name: (dialect.json_path, dialect.yaml_path) for dialect in DIALECTS}
    assert results == {
        "misar": ("/mail/openapi.json", "/mail/openapi.yaml"),
        "topmail": ("/api/v1/openapi.json", "/openapi.yaml"),
    }


async def test_every_page_is_reachable(client: httpx.AsyncClient) -> None:
    """The first page leads to every reference, document and asset, all on this server."""
    result = await links.walk(client)
    assert {path: answer.status_code for path, answer in result.items()} == dict.fromkeys(result, 200)
    assert set(docs.DOCUMENT_PATHS) <= set(result)
    assert {f"{docs.DOCS_PATH}/{dialect.name}" for dialect in DIALECTS} <= set(result)
    assert {path for path in result if path.startswith(static_files.ASSETS_PATH)} == set(
        map(static_files.asset_path, static_files.ASSET_NAMES)
    )


async def test_pages_have_no_inline_scripts_and_load_nothing_external(
    client: httpx.AsyncClient,
) -> None:
    """The policy forbids both, so a browser would report anything that a page is missing."""
    pages = {
        path: answer
        for path, answer in (await links.walk(client)).items()
        if answer.headers["content-type"] == "text/html; charset=utf-8"
    }
    references = {f"{docs.DOCS_PATH}/{dialect.name}" for dialect in DIALECTS}
    manual_pages = {path for file, path in manual.open_manual().paths.items() if file not in manual.FILES}
    assert set(pages) == {docs.DOCS_PATH, *references, *manual_pages}
    for page in pages.values():
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert not {"unsafe", "http", "*"} & set(policy.replace("-", " ").replace(":", " ").split())
        markup = links.Markup(page.text)
        assert markup.inline == []
        assert all(link.startswith(("/", "#", "https://")) or link == "data:," for link in markup.links)
        assert page.headers["referrer-policy"] == "no-referrer"


async def test_browsers_cache_assets(client: httpx.AsyncClient) -> None:
    """An asset never changes at its address, because the address contains its digest."""
    kinds = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
    for name in static_files.ASSET_NAMES:
        packed = await client.get(static_files.asset_path(name), headers=PACKED)
        plain = await client.get(static_files.asset_path(name), headers=PLAIN)
        assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert packed.headers["content-type"] == kinds[Path(name).suffix]
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.content == plain.content
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


async def test_another_digest_or_name_is_a_404(client: httpx.AsyncClient) -> None:
    """An older page must not get a newer asset, because browsers would cache it forever."""
    name = static_files.ASSET_NAMES[0]
    right = static_files.asset_path(name)
    known = right.removeprefix(static_files.ASSETS_PATH).split("/")[1]
    for path in (
        f"/0000000000000000/{name}",
        f"/{known}/{static_files.ASSET_NAMES[1]}",
        f"/{known}/manifest.json",
    ):
        answer = await client.get(static_files.ASSETS_PATH + path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("Not found")


@each_document
async def test_a_document_is_sent_again_only_if_it_changed(client: httpx.AsyncClient, path: str) -> None:
    """Its ETag matches in a client's list and in a proxy's spelling."""
    first = await client.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["vary"] == "accept-encoding"
    for known in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = await client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = await client.get(path, headers={"If-None-Match": '"x"'})
    assert other.content == first.content


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("br;q=1.0, gzip;q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("", None),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip; q=0.0, *", None),
    ],
)
async def test_gzip_is_sent_if_accepted(client: httpx.AsyncClient, accepted: str, coding: str | None) -> None:
    """Other clients get the plain bytes."""
    answer = await client.get(docs.DOCUMENT_PATHS[0], headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert answer.json()["openapi"] == "3.1.0"


async def test_head_and_other_methods(client: httpx.AsyncClient) -> None:
    """A page answers like every path; a wrong method uses the error envelope of the path."""
    for path in (docs.DOCS_PATH, *docs.DOCUMENT_PATHS):
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        options = await client.options(path)
        assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        assert (await client.post(path)).status_code == 405
    assert (await client.post("/mail/openapi.json")).json()["success"] is False
    assert (await client.post("/api/v1/openapi.json")).json()["error"]["code"] == "method_not_allowed"


async def test_the_readme_is_that_of_the_installation(client: httpx.AsyncClient) -> None:
    """The server shows the README in the metadata that pip installed."""
    answer = await client.get(f"{docs.DOCS_PATH}/README.md")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == metadata("diglot").json["description"]
    assert answer.text.startswith("# Diglot\n")


@pytest.mark.parametrize(
    "path", [docs.DOCS_PATH, f"{docs.DOCS_PATH}/misar", f"{docs.DOCS_PATH}/README.md", *docs.DOCUMENT_PATHS]
)
async def test_a_server_without_docs(tmp_path: Path, path: str) -> None:
    """It has no pages and no documents."""
    assert (await of_no_docs(tmp_path, path)).status_code == 404
    assert (await of_no_docs(tmp_path, static_files.asset_path("docs.css"))).status_code == 404


@each_document
async def test_the_vendors_document_is_never_forwarded(tmp_path: Path, path: str) -> None:
    """The vendor's document describes other calls; the server sends its own or, without docs, a 404."""
    upstreams = {dialect.name: NOWHERE for dialect in DIALECTS}
    assert (await of_no_docs(tmp_path, path, upstreams=upstreams)).status_code == 404
    async with links.client(Settings(database=str(tmp_path / "none.db"), upstreams=upstreams)) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.get(f"{path}/")).status_code == 200


@pytest.mark.parametrize("package", vendored.PACKAGES.values(), ids=lambda package: package.name)
def test_vendored_files_match_the_manifest(package: vendored.Package) -> None:
    """The manifest lists every file with its digest; `.ci/run` compares them with npm's."""
    assert vendored.digests(package.files()) == package.manifest()["files"]
    assert set(package.files()) == {*package.served, *package.licences}
    for name in package.served:
        assert gzip.decompress((package.folder / f"{name}.gz").read_bytes())


@pytest.mark.parametrize(
    ("package", "files"),
    [(vendored.SWAGGER_UI, static_files.DOCS), (vendored.HTMX, assets.FILES)],
    ids=["docs", "console"],
)
def test_every_other_asset_is_served(package: vendored.Package, files: static_files.FileSet) -> None:
    """The folder has no unused files."""
    own = {path.name for path in package.folder.parent.iterdir() if path.is_file()}
    shared = {name for name, path in files.files.items() if path == static_files.COPY_SCRIPT}
    assert own | set(package.served) | shared == set(files.files)


def test_the_console_is_small() -> None:
    """Its scripts and styles have less than 200 kB compressed."""
    files = assets.FILES
    found = [files.find(files.path_of(name).split("/")[3], name) for name in files.files]
    assert sum(len(file.content) for file in found if file is not None) < 40_000
