"""Which parts of which pages are rendered."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from guide.blocks import ROOT, pages
from render import errors, examples, operator, truth, words

TRUTH: Final = ROOT / "docs" / "truth"
PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "operators": words.operators,
    "kinds": words.kinds,
    "fields": words.fields,
    "examples": examples.examples,
    "errors of Misar": errors.misar,
    "errors of Topmail": errors.topmail,
    "settings": operator.settings,
    "metrics": operator.metrics,
}
_MARKED: Final = re.compile(
    r"(^<!-- rendered: ([^>]+) -->\n).*?(^<!-- /rendered -->$)", re.MULTILINE | re.DOTALL
)


@cache
def rendered() -> dict[Path, str]:
    """Return the text of every page that has a rendered part, as it has to be."""
    by_hand = {page: page.read_text(encoding="utf-8") for page in pages() if page.parent != TRUTH}
    found = {page: _MARKED.sub(_part, text) for page, text in by_hand.items() if _MARKED.search(text)}
    return found | {TRUTH / f"{name}.md": text for name, text in truth.pages().items()}


def _part(found: re.Match[str]) -> str:
    return f"{found[1]}{PARTS[found[2]]()}{found[3]}"
