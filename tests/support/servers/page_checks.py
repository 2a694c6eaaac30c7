"""How a page looks and reads, at two widths, light and dark."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from support.servers.chromium import Tab

SIZES: Final = ((1280, 1000), (390, 844))


async def look(tab: "Tab", axe: str, name: Path) -> None:
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
