"""Headless Chromium that reaches nothing but this machine."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from playwright.async_api import ConsoleMessage, Error, Page, async_playwright

# Only this machine's name resolves, and requests to other addresses go to a proxy that does not exist.
_CUT_OFF: Final = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--proxy-server=http://127.0.0.1:9",
)
# A page that is left aborts what it polls for, which htmx reports as an error.
_LEFT: Final = ("htmx:afterRequest", "htmx:sendAbort")
_SIZE: Final = {"width": 1280, "height": 1000}


@dataclass
class Tab:
    """A tab: the requests of its pages, and the errors of the browser."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", self._failed)
        self.page.on("console", self._said)

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_LEFT):
            self.complaints.append(message.text)


@asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    """Lend a tab of a separate browser."""
    program = shutil.which("chromium")
    assert program is not None, "chromium is needed"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_CUT_OFF)
        try:
            yield Tab(await browser.new_page(viewport=_SIZE))  # type: ignore[arg-type]
        finally:
            await browser.close()
