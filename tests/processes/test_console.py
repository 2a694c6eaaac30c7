"""Stories in the console, told in a browser that reaches nothing but the server."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from diglot.dialects.registry import DIALECTS
from diglot.service.access.keys import Keys
from diglot.service.access.rate_limits import RateLimits
from diglot.service.access.sessions import Sessions
from diglot.storage.connect import create_engine
from support.servers.in_process import bearer
from support.servers.page_checks import look
from support.servers.process import ServerProcess

if TYPE_CHECKING:
    from playwright.async_api import Route

    from support.servers.chromium import Tab

pytestmark = pytest.mark.browser
SCRIPT: Final = "<script>document.title = 'broken'</script>"
_FILE: Final = f"email,Plan,Unsubscribed\ncy@example.com,{SCRIPT},no\ndee@example.com,pro,yes\nnobody,,\n"
# What a browser does when a person drops a file.
_DROP: Final = """([name, content]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([content], name, { type: "text/csv" }));
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  document.body.dispatchEvent(new DragEvent("drop", options));
}"""
RULES: Final = {
    "match": "all",
    "rules": [
        {"field": "total_orders", "operator": "gte", "value": 3},
        {"field": "plan", "operator": "in_list", "value": ["pro", "team"]},
    ],
}


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
    await look(tab, axe, tmp_path / "list")
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
    await look(tab, axe, tmp_path / "segment")
    await page.locator("#explanation").get_by_role("link", name="ada@example.com").click()
    await page.get_by_text("In 1 segment").wait_for()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    await look(tab, axe, tmp_path / "sign-in")
    assert tab.complaints == []
    assert {url for url in tab.requests if not url.startswith((f"{live.base}/", "data:"))} == set()


async def test_find_out_why_ada_got_this_mail(
    live: ServerProcess, tab: "Tab", axe: str, tmp_path: Path
) -> None:
    """Search, open, ask why; then change the contact beside somebody else, and see who moved."""
    page, link = tab.page, await prepare(live)
    await page.goto(f"{live.base}/console/enter#{link}")
    await page.get_by_role("link", name="Contacts", exact=True).click()
    await page.get_by_label("Find a contact").press_sequentially("ad")
    await page.get_by_text("Contacts, by address").wait_for()
    await look(tab, axe, tmp_path / "contacts")
    await page.get_by_role("link", name="ada@example.com").click()
    await page.get_by_role("button", name="Why is this contact in").click()
    await page.get_by_role("heading", name="ada@example.com is a member").wait_for()
    await page.locator("#events", has_text="No events yet").wait_for()
    await page.locator("#changes", has_text="entered").wait_for()
    await look(tab, axe, tmp_path / "contact")
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("First name").fill("Ada")
    async with httpx.AsyncClient(base_url=live.base, headers=bearer(await live.key("topmail"))) as client:
        found = await client.get("/api/v1/contacts?search=ada")
        path = f"/api/v1/contacts/{found.json()['data'][0]['id']}"
        assert (await client.patch(path, json={"first_name": "Augusta"})).status_code == 200
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("It is now: Augusta").wait_for()
    await look(tab, axe, tmp_path / "edit")
    await page.get_by_role("group", name="Attribute plan").get_by_label("Value").fill("free")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("The contact is saved").wait_for()
    await page.get_by_role("link", name="Activity").click()
    await page.locator("#changes", has_text="left").wait_for()
    await look(tab, axe, tmp_path / "activity")
    await page.get_by_role("link", name="ada@example.com").first.click()
    await page.get_by_role("link", name="Export or erase").click()
    await look(tab, axe, tmp_path / "person")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Export as JSON").click()
    assert (await download.value).suggested_filename == "person.json"
    await page.get_by_label("Type the address").fill("ada@example.com")
    await page.get_by_role("button", name="Erase this person").click()
    await page.get_by_role("heading", name="Erased").wait_for()
    assert [one for one in tab.complaints if "409" not in one] == []


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
    await look(tab, axe, tmp_path / "builder")
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
    await look(tab, axe, tmp_path / "review")
    await page.get_by_role("button", name="Save the segment").click()
    await page.get_by_role("heading", name="Members").wait_for()
    await page.get_by_role("button", name="bo@example.com").click()
    await page.get_by_role("heading", name="bo@example.com is a member").wait_for()
    await page.get_by_text("because the rules of the segment were changed").wait_for()
    assert tab.complaints == []


async def test_import_a_file_with_rejects(live: ServerProcess, tab: "Tab", axe: str, tmp_path: Path) -> None:
    """A file is dropped on the page, reviewed, tried and imported; its rejected rows are downloaded."""
    page, link = tab.page, await prepare(live)
    await page.goto(f"{live.base}/console/enter#{link}")
    await page.get_by_role("link", name="Import and export").click()
    await page.get_by_role("heading", name="No imports yet").wait_for()
    await look(tab, axe, tmp_path / "imports")
    await page.evaluate(_DROP, ["people.csv", _FILE])
    await page.get_by_role("heading", name="people.csv").wait_for()
    await look(tab, axe, tmp_path / "review")
    await page.get_by_label("What Plan sets").select_option("none")
    await page.locator("#says-1", has_text="Left out.").wait_for()
    await page.get_by_role("button", name="Try it").click()
    await page.get_by_role("button", name="Import 2 contacts now").wait_for()
    await look(tab, axe, tmp_path / "tried")
    await page.get_by_role("button", name="Import 2 contacts now").click()
    await page.get_by_role("heading", name="1 row rejected").wait_for()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download as CSV").click()
    await (await download.value).save_as(tmp_path / "rejected.csv")
    assert "nobody,,,4,email: Invalid email" in (tmp_path / "rejected.csv").read_text()
    await page.get_by_role("link", name="Import and export").click()
    await page.get_by_role("link", name="Export contacts").click()
    await page.get_by_role("heading", name="Export contacts").wait_for()
    await look(tab, axe, tmp_path / "export")
    assert tab.complaints == []


async def test_a_program_gets_a_key_and_a_webhook(
    live: ServerProcess, tab: "Tab", axe: str, tmp_path: Path
) -> None:
    """A command is copied from the documentation; a key is made and revoked, and a webhook is made."""
    page, link = tab.page, await prepare(live)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live.base)
    await page.goto(f"{live.base}/docs")
    await look(tab, axe, tmp_path / "docs")
    await page.get_by_role("link", name="Start", exact=True).click()
    await page.get_by_role("button", name="Copy").first.click()
    await page.get_by_role("button", name="Copied").wait_for()
    assert "diglot keys create" in await page.evaluate("navigator.clipboard.readText()")
    await page.goto(f"{live.base}/docs/segments")
    await look(tab, axe, tmp_path / "docs-page")
    await page.goto(f"{live.base}/console/enter#{link}")
    await page.get_by_role("link", name="Keys", exact=True).click()
    await page.get_by_role("link", name="New Topmail key").click()
    await page.get_by_label("Name").fill(SCRIPT)
    await look(tab, axe, tmp_path / "new-key")
    await page.get_by_role("button", name="Create the key").click()
    key = await page.get_by_label("The key").inner_text()
    async with httpx.AsyncClient(base_url=live.base, headers=bearer(key)) as client:
        assert (await client.get("/api/v1/segments")).status_code == 200
        await page.get_by_role("link", name="Done").click()
        await look(tab, axe, tmp_path / "keys")
        page.once("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name=f"Revoke the key {SCRIPT}").click()
        await page.get_by_text("Keys that have ended").wait_for()
        assert (await client.get("/api/v1/segments")).status_code == 401
    await page.get_by_role("link", name="Webhooks", exact=True).click()
    await page.get_by_role("link", name="New Misar webhook").click()
    await page.get_by_label("Address").fill("https://hook.invalid/")
    await page.get_by_label("A contact enters a segment").check()
    await page.get_by_role("button", name="Create the webhook").click()
    await page.get_by_role("link", name="Go to the webhook").click()
    await page.get_by_role("button", name="Send a test").click()
    await page.locator("#deliveries th", has_text="A test").wait_for()
    await look(tab, axe, tmp_path / "webhook")
    await page.get_by_role("link", name="Webhooks", exact=True).first.click()
    await page.locator("[hx-get$='/state'] .badge").wait_for()
    await page.get_by_role("link", name="Operator", exact=True).click()
    await page.get_by_text("It answers.").wait_for()
    await look(tab, axe, tmp_path / "operator")
    assert tab.complaints == []
    assert {url for url in tab.requests if not url.startswith((f"{live.base}/", "data:"))} == set()


async def _delay(route: "Route") -> None:
    """Let a request wait."""
    await asyncio.sleep(0.5)
    await route.continue_()
