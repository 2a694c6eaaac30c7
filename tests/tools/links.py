"""Walks the documentation pages and their links; as a program, those of the running installation."""

import asyncio
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import httpx

from diglot.app import create_app
from diglot.settings import Settings

START: Final = "/docs"
CONSOLE: Final = "/console/enter"
CONSOLE_FILES: Final = "/console/assets"
_CONSOLE: Final = "/console"
_ORIGIN: Final = "http://diglot"


class Markup(HTMLParser):
    """The links and assets of a page, and its inline scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in ("href", "src", "data-document") if name in given]
        scripted = [name for name in given if name == "style" or name.startswith("on")]
        if scripted or tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


def client(settings: Settings) -> httpx.AsyncClient:
    """Return a client of an app without a database, because the documentation needs none."""
    transport = httpx.ASGITransport(create_app(settings, run_background=False))  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=_ORIGIN)


async def walk(browsing: httpx.AsyncClient, start: str = START) -> dict[str, httpx.Response]:
    """Return the response of every path that the first page leads to, directly or not."""
    results: dict[str, httpx.Response] = {}
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in results:
            results[path] = answer = await browsing.get(path)
            if answer.headers["content-type"].startswith("text/html"):
                links = (link.partition("#")[0] for link in Markup(answer.text).links)
                waiting += [link for link in links if link.startswith("/") and not link.startswith(_CONSOLE)]
    return results


async def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with client(Settings(database=str(Path(folder) / "none.db"))) as browsing:
            # The console's page for one-time links needs no database, and leads to its scripts and styles.
            entry = await browsing.get(CONSOLE)
            files = [link for link in Markup(entry.text).links if link.startswith(f"{CONSOLE_FILES}/")]
            answers = await walk(browsing) | {CONSOLE: entry} | {it: await browsing.get(it) for it in files}
    assert len(files) == 4
    for path, answer in answers.items():
        print(answer.status_code, len(answer.content), path)
        assert answer.status_code == 200
    assert len(answers) > 5


if __name__ == "__main__":
    asyncio.run(_main())
