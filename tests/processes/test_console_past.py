"""Stories in a browser that begin with a link that a command prints: the first visit, and the demo's past."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from support.servers.command import server_command
from support.servers.page_checks import look
from support.servers.process import SECONDS

if TYPE_CHECKING:
    from support.servers.chromium import Tab

pytestmark = pytest.mark.browser
_LINK: Final = re.compile(r"http://\S+/console/(?:setup|enter)#\S+")


@asynccontextmanager
async def printed_link(
    command: Sequence[str], environment: dict[str, str], folder: Path
) -> AsyncIterator[str]:
    """Run a command until it serves, and lend the link to the console that it prints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment, cwd=folder)
    try:
        assert process.stdout is not None
        link, serves = "", False
        async with asyncio.timeout(SECONDS):
            while not (link and serves):
                line = (await process.stdout.readline()).decode()
                assert line, "the command ended"
                link = found[0] if (found := _LINK.search(line)) else link
                serves = serves or line.startswith("Diglot serves on")
        yield link
    finally:
        process.terminate()
        await process.communicate()


async def test_the_first_visit_of_a_new_server(url: str, tab: "Tab", axe: str, tmp_path: Path) -> None:
    """The start line's link creates a workspace with its keys; then the person signs out and in again."""
    page = tab.page
    command, environment = server_command(url)
    async with printed_link(command, environment, tmp_path) as link:
        await page.goto(link)
        await page.get_by_label("Name of the workspace").fill("Lighthouse")
        await page.get_by_label("Password").fill("correct horse battery")
        await look(tab, axe, tmp_path / "setup")
        await page.get_by_role("button", name="Create the workspace").click()
        await page.get_by_text("msk_").first.wait_for()
        await look(tab, axe, tmp_path / "keys")
        await page.goto(link.partition("#")[0].replace("/setup", ""))
        await page.get_by_role("heading", name="No segments yet").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Workspace").fill("Lighthouse")
        await page.get_by_label("Password").fill("correct horse battery")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("heading", name="No segments yet").wait_for()
    assert tab.complaints == []


async def test_slide_back_in_time(tab: "Tab", axe: str, tmp_path: Path) -> None:
    """The demo has a past: the members of a segment at the end of an earlier day are others."""
    page = tab.page
    _, environment = server_command("")
    demo = (sys.executable, "-m", "diglot", "demo", "--port", "0")
    async with printed_link(demo, environment, tmp_path) as link:
        await page.goto(link)
        await page.get_by_role("link", name="Engaged subscribers").click()
        await page.get_by_label("As of").wait_for()
        now = await page.locator("#members").inner_text()
        await page.get_by_label("As of").press("Home")
        await page.locator("output", has_text="the end of").wait_for()
        await page.locator("#members", has_not_text=now.split("\n")[0]).wait_for()
        assert await page.locator("#members").inner_text() != now
        await look(tab, axe, tmp_path / "past")
    assert tab.complaints == []
