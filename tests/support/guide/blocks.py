"""The commands of the documentation: fenced blocks, what they print, and those that somebody else runs."""

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
# A mark that leaves a block to the reader, who first stops the server.
STOPPED: Final = "with the server stopped"
_SERVES: Final = re.compile(r"\bdiglot (serve|demo)\b(?!.*--no-serve)")


@dataclass(frozen=True)
class Block:
    """One block of commands; `printed` is what the page shows of their output.

    `mark` says how it is run, or who else does it.
    """

    language: str
    text: str
    printed: str | None = None
    mark: str = ""

    @property
    def elsewhere(self) -> bool:
        """True when somebody else runs it."""
        return self.mark not in ("", STOPPED)

    @property
    def serves(self) -> bool:
        """True when its last command goes on until it is stopped."""
        return self.language == "sh" and _SERVES.search(self.text.strip().splitlines()[-1]) is not None


def pages() -> list[Path]:
    """List the pages of the documentation."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def named(page: Path) -> str:
    """Return how a page is called in the repository."""
    return page.relative_to(ROOT).as_posix()


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """Read the blocks of a page that are commands, each with the output that stands right after it."""
    return tuple(_blocks(page.read_text(encoding="utf-8")))


def _blocks(text: str) -> Iterator[Block]:
    found = list(_FENCED.finditer(text))
    for one, after in zip(found, [*found[1:], None], strict=False):
        if one["language"] not in RUN:
            continue
        follows = (
            after is not None and after["language"] in PRINTED and not text[one.end() : after.start()].strip()
        )
        printed = after["text"] if after is not None and follows else None
        yield Block(one["language"], one["text"], printed, one["mark"] or "")
