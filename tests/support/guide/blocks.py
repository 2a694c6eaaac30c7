"""Fenced blocks of commands in the documentation, their expected output, and those that run elsewhere."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from support.paths import ROOT

RUN: Final = ("sh", "python")
PRINTED: Final = ("json", "text")
_FENCED: Final = re.compile(
    r"(?:^<!-- (?P<mark>[^>]*) -->\n)?^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# Marks a block for the reader, who has to stop the server first.
STOPPED: Final = "with the server stopped"
_SERVES: Final = re.compile(r"\bdiglot (serve|demo)\b(?!.*--no-serve)")


@dataclass(frozen=True)
class Block:
    """One block of commands; `printed` is the output that the page shows.

    `mark` says how the block runs, or what else runs it.
    """

    language: str
    text: str
    printed: str | None = None
    mark: str = ""

    @property
    def elsewhere(self) -> bool:
        """True if the block does not run here."""
        return self.mark not in ("", STOPPED)

    @property
    def serves(self) -> bool:
        """True if its last command runs until it is stopped."""
        return self.language == "sh" and _SERVES.search(self.text.strip().splitlines()[-1]) is not None


def pages() -> list[Path]:
    """List the pages of the documentation."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def page_name(page: Path) -> str:
    """Return the name of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """Read the blocks of commands of a page, each with the output that follows immediately."""
    return tuple(_blocks(page.read_text(encoding="utf-8")))


def _blocks(text: str) -> Iterator[Block]:
    results = list(_FENCED.finditer(text))
    for one, after in zip(results, [*results[1:], None], strict=False):
        if one["language"] not in RUN:
            continue
        follows = (
            after is not None and after["language"] in PRINTED and not text[one.end() : after.start()].strip()
        )
        printed = after["text"] if after is not None and follows else None
        yield Block(one["language"], one["text"], printed, one["mark"] or "")
