"""The API reference in a browser that reaches nothing but the server."""

from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.server.console import docs
from support.servers.process import ServerProcess

if TYPE_CHECKING:
    from support.servers.chromium import Tab

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture
async def tab() -> AsyncIterator["Tab"]:
    """Lend a tab.

    The browser driver is imported here, because the README's test command runs without it.
    """
    async with import_module("support.servers.chromium").tab() as browser_tab:
        yield browser_tab


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_a_call_is_shown_and_tried(
    live: ServerProcess, dialect: Dialect, tab: "Tab", tmp_path: Path
) -> None:
    """The index leads to the reference, which shows every call; with a key one of them answers."""
    page = tab.page
    await page.goto(live.base + docs.DOCS_PATH)
    await page.screenshot(path=tmp_path / "index.png")
    await page.get_by_role("link", name=f"Reference of the {dialect.title} calls").click()
    calls = page.locator(".opblock")
    await calls.first.wait_for()
    assert await calls.count() == len(dialect.operations)
    await page.screenshot(path=tmp_path / "reference.png")

    await page.get_by_role("button", name="Authorize").first.click()
    way = page.locator(".auth-container").first
    await way.get_by_role("textbox").fill(await live.key(dialect.name))
    await way.get_by_role("button", name="Apply credentials").click()
    await way.get_by_role("button", name="Close").click()

    call = page.locator("#operations-segments-listSegments")
    await call.locator(".opblock-summary-control").click()
    await call.get_by_role("button", name="Execute").click()
    answer = call.locator(".live-responses-table .response").first
    await answer.wait_for()
    assert (await answer.locator(".response-col_status").inner_text()).strip() == "200"
    assert '"pagination"' in await answer.locator(".microlight, pre").first.inner_text()
    await call.screenshot(path=tmp_path / "call.png")

    assert tab.complaints == []
    assert {url for url in tab.requests if not url.startswith(f"{live.base}/")} == set()
    assert any(url.startswith(f"{live.base}{dialect.prefix}/segments?") for url in tab.requests)
