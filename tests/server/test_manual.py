"""The pages of the documentation: rendered from Markdown, with anchors, links and copy buttons."""

import re
import tomllib
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import httpx
import pytest_asyncio

from diglot.server.console import manual
from diglot.server.console.markdown_pages import Heading, render_page
from diglot.settings import Settings
from support.paths import ROOT
from tools import links

PAGES: Final = {file: path for file, path in manual.open_manual().paths.items() if file not in manual.FILES}


class Anchors(HTMLParser):
    """The ids of a page, and its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" and "href" in given else []


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Lend a client of an app."""
    async with links.client(Settings(database=str(tmp_path / "none.db"))) as client:
        yield client


async def test_every_link_leads_to_a_page_and_to_a_heading_of_it(client: httpx.AsyncClient) -> None:
    """No page of the manual has a link that leads nowhere, and no two headings have one anchor."""
    read = {path: Anchors((await client.get(path)).text) for path in PAGES.values()}
    for path, page in read.items():
        assert len(set(page.ids)) == len(page.ids), path
        for link in page.links:
            target, _, anchor = link.partition("#")
            if (target or path) in read and anchor:
                assert anchor in read[target or path].ids, f"{path}: {link}"
    assert "/docs/operate#upstreams" in {link for page in read.values() for link in page.links}


async def test_a_page(client: httpx.AsyncClient) -> None:
    """It has its title, its place among the others, a list of its parts, and commands to copy."""
    page = (await client.get("/docs/start")).text
    assert '<a href="/docs/start" aria-current="page">Start</a>' in page
    assert page.count("data-copy") == page.count("<pre") > 3
    assert "On this page" in (await client.get("/docs/follow")).text
    assert '<a href="/console">Console</a>' in page
    assert "<!--" not in page.partition("<body")[2]
    assert (await client.get("/docs/start/")).status_code == 200


async def test_files_and_what_is_not_there(client: httpx.AsyncClient) -> None:
    """A file is sent as text; an unknown page, and a path out of the folder, are not found."""
    file = await client.get("/docs/files/alerts.yml")
    assert (file.headers["content-type"], "groups:" in file.text) == ("text/plain; charset=utf-8", True)
    for path in ("/docs/nothing", "/docs/truth/nothing", "/docs/files/x", "/docs/..%2fpyproject.toml"):
        assert (await client.get(path)).status_code == 404


async def test_without_the_console_no_page_leads_to_it(tmp_path: Path) -> None:
    """The documentation stands alone then."""
    settings = Settings(database=str(tmp_path / "none.db"), console=False)
    async with links.client(settings) as client:
        assert "/console" not in (await client.get("/docs")).text


def test_what_markdown_becomes() -> None:
    """Anchors, code as text, links that are resolved, and comments that are not shown."""
    text = (
        "# One `two_three`\n\n## Same\n\n## Same\n\n<!-- a\ncomment -->\n\n"
        "[in](a.md#b) [out](c) <!-- x -->\n\n"
        "```sh\necho '<b>'\n```\n\n    indented\n\n| a |\n|---|\n| b |\n"
    )
    page = render_page(text, {"a.md#b": "/docs/a#b"}.get)
    assert page.title == "One two_three"
    assert page.contents == [Heading(2, "Same", "same"), Heading(2, "Same", "same-1")]
    for part in (
        '<h1 id="one-two_three">One <code>two_three</code></h1>',
        '<a class="anchor" href="#same-1" aria-label="Link to this part">#</a></h2>',
        '<a href="/docs/a#b">in</a> <span title="In the repository of Diglot">out</span>',
        "<code>echo '&lt;b&gt;'\n</code>".replace("'", "&#x27;"),
        "<code>indented\n</code>",
        '<div class="wide" tabindex="0"><table>',
    ):
        assert part in page.html, part
    assert "comment" not in page.html


def test_the_wheel_has_every_page() -> None:
    """What the server looks for is what the build puts into the package, in the same folders."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    place = "diglot/server/console/manual_files/"
    assert all(target == place + source for source, target in packed.items())
    for file in manual.open_manual().paths:
        assert file in packed or file.partition("/")[0] in packed, file
    copied = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert all(re.search(rf"^COPY .*\b{re.escape(source)}\b", copied, re.MULTILINE) for source in packed)


def test_every_page_of_the_folder_is_served() -> None:
    """A new page of the documentation gets a place in the navigation."""
    assert {f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")} <= set(PAGES)
