"""Find the rendered parts of the pages and render them."""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

from render import dashboard, errors, examples, observability, operator, sdks, truth, words
from sdks.generators import HERE, SDKS
from support.guide.blocks import pages
from support.paths import ROOT

TRUTH: Final = ROOT / "docs" / "truth"
DASHBOARD: Final = ROOT / "docs" / "monitoring" / "grafana.json"
PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "operators": words.operators,
    "kinds": words.kinds,
    "fields": words.fields,
    "examples": examples.examples,
    "errors of Misar": errors.misar,
    "errors of Topmail": errors.topmail,
    "settings": operator.settings,
    "metrics": observability.metrics,
    "fields of requests": observability.access_fields,
    "fields of slow statements": observability.slow_fields,
    "SDKs": sdks.lines,
    "all SDKs": sdks.overview,
    "checks of SDKs": sdks.checks,
    **{f"SDK {sdk.name}": partial(sdks.part, sdk) for sdk in SDKS},
}
_MARKED: Final = re.compile(
    r"(^<!-- rendered: ([^>]+) -->\n).*?(^<!-- /rendered -->$)", re.MULTILINE | re.DOTALL
)


@cache
def rendered() -> dict[Path, str]:
    """Return the expected text of every page that has a rendered part."""
    every = [*pages(), HERE / "README.md"]
    by_hand = {page: page.read_text(encoding="utf-8") for page in every if page.parent != TRUTH}
    match = {page: _MARKED.sub(_part, text) for page, text in by_hand.items() if _MARKED.search(text)}
    whole = {TRUTH / f"{name}.md": text for name, text in truth.pages().items()}
    return match | whole | {DASHBOARD: dashboard.render()}


def _part(match: re.Match[str]) -> str:
    return f"{match[1]}{PARTS[match[2]]()}{match[3]}"
