"""The documentation matches the code: rendered parts, links, and names."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from diglot.api.rules.reading import read_condition
from diglot.api.rules.words import Words
from diglot.api.rules.writing import write_condition
from diglot.cli import commands
from diglot.conditions.check import check_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.registry import DIALECTS
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.settings import Settings
from render import errors
from render.pages import TRUTH, rendered
from sdks.generators import SDKS
from support.canonical import written
from support.guide.blocks import RUN, blocks, page_name, pages
from support.guide.shown import mismatch
from support.paths import ROOT, SPEC
from support.spec_data import read as decoded

EXAMPLES = decoded(SPEC / "examples.json")["examples"]
DIFFERENCES = (ROOT / "DIFFERENCES.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return the text outside fences."""
    return FENCED.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", rendered(), ids=page_name)
def test_a_page_matches_its_data(page: Path) -> None:
    """`python -m render` in tests/ updates a page that differs."""
    assert text_of(page) == rendered()[page]


def test_every_sdk_is_shown() -> None:
    """Each SDK has a section of its page with a heading of its own."""
    page = text_of(ROOT / "docs" / "sdks.md")
    for sdk in SDKS:
        assert f"\n## {sdk.language}: {sdk.name}\n\n<!-- rendered: SDK {sdk.name} -->\n" in page


def test_no_page_of_truth_is_left_over() -> None:
    """The page of a deleted operator is deleted too."""
    assert set(TRUTH.iterdir()) <= set(rendered())


def test_every_error_is_documented() -> None:
    """The tables of errors list every subclass."""
    assert errors.missing() == set()


@pytest.mark.parametrize("words", [MISAR, TOPMAIL], ids=["shown in Misar", "shown in Topmail"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"])
def test_an_example_means_the_same_in_both(example: dict[str, Any], words: Words) -> None:
    """The rendered example in each dialect reads as its condition."""
    node = check_condition(written(example["condition"]))
    assert check_condition(read_condition(msgspec.json.decode(write_condition(node, words)), words)) == node


@pytest.mark.parametrize("page", pages(), ids=lambda page: f"links of {page_name(page)}")
def test_the_links_lead_somewhere(page: Path) -> None:
    """A relative link names an existing file of the repository, and an existing heading."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", prose(page)):
        result = (page.parent / target).resolve() if target else page
        assert result.exists(), target
        assert not anchor or anchor in anchors(result), f"{target}#{anchor}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: f"names of {page_name(page)}")
def test_the_names_exist(page: Path) -> None:
    """Every command in prose exists with its options, and so does every variable."""
    known = {f"DIGLOT_{name.upper()}" for name in msgspec.structs.asdict(Settings()) if name != "upstreams"}
    known |= {"DIGLOT_UPSTREAM_NAME", *(f"DIGLOT_{dialect.name.upper()}_UPSTREAM" for dialect in DIALECTS)}
    variables = set(re.findall(r"DIGLOT_[A-Z_]+", prose(page)))
    assert variables <= known | {"DIGLOT_CONFIG", "DIGLOT_TEST_POSTGRESQL"}
    for line in re.findall(r"`(diglot [a-z][^`]*)`", prose(page)):
        command: click.Command | None = commands
        words = line.split()[1:]
        while words and isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
        options = set(chain.from_iterable(each.opts + each.secondary_opts for each in command.params))
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize(
    ("page", "titles"), [("move-misar", ("Misar", "Both")), ("move-topmail", ("Topmail", "Both"))]
)
def test_differences_are_cited_by_number(page: str, titles: tuple[str, ...]) -> None:
    """The numbers refer to differences of that dialect, or of both."""
    parts = [DIFFERENCES.partition(f"\n## {title}\n")[2].partition("\n## ")[0] for title in titles]
    numbers = set(re.findall(r"^([0-9]+)\. ", "\n".join(parts), re.MULTILINE))
    shown = re.findall(r"\(((?:[0-9]+(?:, )?)+)\)", prose(ROOT / "docs" / f"{page}.md"))
    assert shown
    assert set(", ".join(shown).split(", ")) <= numbers


def test_every_shell_block_is_found() -> None:
    """No block of commands is missed because of an indent or another language name."""
    languages = {
        language for page in pages() for language in re.findall(r"^\s*```(\w+)", text_of(page), re.MULTILINE)
    }
    assert languages <= {*RUN, "json", "text", "mermaid"} | {sdk.language.lower() for sdk in SDKS}
    for page in pages():
        assert len(re.findall(r"^\s*```(?:sh|python)$", text_of(page), re.MULTILINE)) == len(blocks(page))


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ('{"a": 1}', '{"a":1}\n', True),
        ('{"a": 1}', '{"a":2}', False),
        ('{"a": 1, ...}', '{"a":1,"b":2}', True),
        ('{"a": 1}', '{"a":1,"b":2}', False),
        ("a ... d", "a b c d", True),
        ("a ... d", "a b c", False),
        ("at 2026-01-01T00:00:00Z", "at 2027-05-05T01:02:03Z", True),
        ("at 2026-01-01T00:00:00Z", "at noon", False),
        ("msk_00000000 msk_00000000", "msk_11111111 msk_11111111", True),
        ("msk_00000000 msk_00000000", "msk_11111111 msk_22222222", False),
        ("made in 4.8 s", "made in 11.0 s", True),
    ],
)
def test_the_tolerance_of_a_page(shown: str, printed: str, fits: bool) -> None:
    """A page may differ only in whitespace, omissions, consistent ids and keys, times and durations."""
    assert (mismatch(shown, printed, {}) is None) == fits
