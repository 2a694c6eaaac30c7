"""What stories in a browser share."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from importlib import import_module
from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from support.servers.chromium import Tab

# From npm when the test runs, because its licence is another than ours.
AXE: Final = "axe-core@4.14.1"


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
