"""Stories in the console, told in a browser that reaches nothing but the server."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest
import pytest_asyncio

from diglot.dialects.registry import DIALECTS
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.storage.connect import create_engine
from support.servers.in_process import bearer
from support.servers.process import ServerProcess

if TYPE_CHECKING:
    from playwright.async_api import Route

    from support.servers.chromium import Tab

pytestmark = pytest.mark.browser
# From npm when the test runs, because its licence is another than ours.
AXE: Final = "axe-core@4.14.1"
SIZES: Final = ((1280, 1000), (390, 844))
SCRIPT: Final = "<script>document.title = 'broken'</script>"
RULES: Final = {
    "match": "all",
    "rules": [
        {"field": "total_orders", "operator": "gte", "value": 3},
        {"field": "plan", "operator": "in_list", "value": ["pro", "team"]},
    ],
}


@pytest_asyncio.fixture
async def tab() -> AsyncIterator["Tab"]:
    """Lend a tab; the browser driver is imported here, because the README's test command runs without it."""
    async with import_module("support.servers.chromium").tab() as browser_tab:
        yield browser_tab


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the script of axe."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    assert npm is not None, "npm is needed"
    subprocess.run([npm, "pack", AXE, "--silent", "--pack-destination", str(folder)], check=True)
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return (folder / "package/axe.min.js").read_text()


async def prepare(live: ServerProcess) -> str:
    """Create contacts and a segment with a hostile name; return a one-time link."""
    async with httpx.AsyncClient(base_url=live.base, headers=bearer(await live.key("topmail"))) as client:
        for name, orders in (("ada", 5), ("bo", 1)):
            contact = {"email": f"{name}@example.com", "total_orders": orders, "attributes": {"plan": "pro"}}
            assert (await client.post("/api/v1/contacts", json=contact)).status_code == 201
        body = {"name": SCRIPT, "conditions": RULES}
        assert (await client.post("/api/v1/segments", json=body)).status_code == 201
    key = await live.key(DIALECTS[0].name)
    engine = create_engine(live.url)
    await engine.open()
    try:
        caller = await Keys(engine).authenticate(DIALECTS[0].name, key)
        return await Sessions(engine, RateLimits(engine)).create_link(caller)
    finally:
        await engine.close()


async def test_find_out_why_somebody_is_a_member(
    live: ServerProcess, tab: "Tab", axe: str, tmp_path: Path
) -> None:
    """A link opens the list; a segment explains who is in it and who is not; then the person signs out."""
    page, link = tab.page, await prepare(live)
    await page.goto(f"{live.base}/console/enter#{link}")
    await page.get_by_role("heading", name="Segments", exact=True).wait_for()
    assert link not in page.url
    await _look(tab, axe, tmp_path / "list")
    await page.get_by_role("link", name=SCRIPT).click()
    await page.get_by_text("The history of this segment begins").wait_for()
    assert (await page.title()).startswith(SCRIPT)
    await page.get_by_label("Email address of a contact").fill("bo@example.com")
    await page.get_by_role("button", name="Explain").click()
    await page.get_by_role("heading", name="What would have to change").wait_for()
    await page.get_by_role("button", name="ada@example.com").click()
    await page.get_by_role("heading", name="ada@example.com is a member").wait_for()
    await page.get_by_role("button", name="Copy").first.click()
    await page.get_by_role("button", name="Copied").wait_for()
    await _look(tab, axe, tmp_path / "segment")
    await page.locator("#explanation").get_by_role("link", name="ada@example.com").click()
    await page.get_by_role("heading", name="In 1 segment").wait_for()
    await page.get_by_role("button", name="Why is this contact in").click()
    await page.get_by_role("heading", name="ada@example.com is a member").wait_for()
    await _look(tab, axe, tmp_path / "contact")
    await page.get_by_role("link", name="Contacts", exact=True).first.click()
    await page.get_by_role("heading", name="Contacts", exact=True).wait_for()
    await _look(tab, axe, tmp_path / "contacts")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    await _look(tab, axe, tmp_path / "sign-in")
    assert tab.complaints == []
    assert {url for url in tab.requests if not url.startswith((f"{live.base}/", "data:"))} == set()


async def test_the_count_follows_writes(live: ServerProcess, tab: "Tab") -> None:
    """An open page shows a contact that enters, without a reload; a segment is deleted after a question."""
    page, link = tab.page, await prepare(live)
    await page.goto(f"{live.base}/console/enter#{link}")
    count = page.locator(".count")
    assert await count.inner_text() == "1"
    async with httpx.AsyncClient(base_url=live.base, headers=bearer(await live.key("topmail"))) as client:
        contact = {"email": "cy@example.com", "total_orders": 9, "attributes": {"plan": "team"}}
        assert (await client.post("/api/v1/contacts", json=contact)).status_code == 201
    await page.locator(".count", has_text="2").wait_for()
    await page.get_by_role("link", name=SCRIPT).click()
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete the segment").click()
    await page.get_by_role("heading", name="No segments yet").wait_for()
    assert tab.complaints == []


async def test_build_a_rule_and_save_it(live: ServerProcess, tab: "Tab", axe: str, tmp_path: Path) -> None:
    """A segment is built with counts, changed by the other vendor's rules, reviewed, saved, and explained."""
    page, link = tab.page, await prepare(live)
    await page.goto(f"{live.base}/console/enter#{link}")
    # A field that is chosen before the scripts have loaded is not lost.
    await page.route("**/htmx.min.js", _delay, times=1)
    await page.get_by_role("link", name="New segment").click()
    await page.get_by_label("Field", exact=True).select_option("total_orders")
    await page.get_by_label("Value", exact=True).fill("3")
    await page.locator(".total", has_text="1 contact").wait_for()
    await page.route("**/segments/build", _delay, times=1)
    await page.get_by_role("button", name="+ Group").click()
    # What is typed while the form is on its way is not lost.
    await page.get_by_label("Name", exact=True).fill("Buyers")
    await page.locator("#c-1-0-family").select_option("attribute:plan")
    await page.locator("#c-1-0-operator").select_option("in")
    await page.get_by_label("Values, one on each line").fill("pro\nteam")
    await page.get_by_text('"pro"').first.wait_for()
    await _look(tab, axe, tmp_path / "builder")
    await page.get_by_role("button", name="Create segment").click()
    await page.get_by_role("heading", name="Buyers").wait_for()
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_text("Paste rules as JSON").click()
    pasted = (
        '{"operator": "AND", "rules": [{"field": "total_orders", "operator": "greater_than", "value": 0}]}'
    )
    await page.get_by_label("Rules of either API").fill(pasted)
    await page.get_by_role("button", name="Use these rules").click()
    await page.get_by_text("1 would enter").wait_for()
    await page.get_by_role("button", name="Save…").click()
    await page.get_by_role("heading", name="Save these rules?").wait_for()
    await page.locator(".review").get_by_text("bo@example.com").wait_for()
    await _look(tab, axe, tmp_path / "review")
    await page.get_by_role("button", name="Save the segment").click()
    await page.get_by_role("heading", name="Members").wait_for()
    await page.get_by_role("button", name="bo@example.com").click()
    await page.get_by_role("heading", name="bo@example.com is a member").wait_for()
    await page.get_by_text("because: segment changed").wait_for()
    assert tab.complaints == []


async def _delay(route: "Route") -> None:
    """Let a request wait."""
    await asyncio.sleep(0.5)
    await route.continue_()


async def _look(tab: "Tab", axe: str, name: Path) -> None:
    """Take screenshots at two widths, light and dark, and let axe read each."""
    for scheme in ("light", "dark"):
        await tab.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for width, height in SIZES:
            await tab.page.set_viewport_size({"width": width, "height": height})
            await tab.page.screenshot(path=f"{name}-{width}-{scheme}.png", full_page=True, caret="initial")
            assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await tab.page.evaluate(axe)
            found = await tab.page.evaluate("axe.run()")
            assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    await tab.page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
