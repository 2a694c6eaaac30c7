"""Each entry of DIFFERENCES.md names an existing test, and its table has every call."""

import re

import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from support.paths import ROOT

PAGE = (ROOT / "DIFFERENCES.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^([0-9]+)\. (.+?) Tested by (.+)\.$", re.MULTILINE)
TEST = re.compile(r'`([^`]+)` "([^"]+)"')
SERVED = re.compile(r"^\| `([A-Z]+) (/[^`]*)` \| served \| (.+) \|$", re.MULTILINE)


def test_the_entries_are_numbered() -> None:
    """Each number belongs to one difference, so that other pages can refer to it."""
    numbers = [int(number) for number, _, _ in ENTRY.findall(PAGE)]
    assert len(numbers) > 20
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(re.findall(r"^[0-9]+\. ", PAGE, re.MULTILINE)) == len(numbers), "an entry cites no test"


@pytest.mark.parametrize(("number", "tests"), [(entry[0], entry[2]) for entry in ENTRY.findall(PAGE)])
def test_an_entry_names_a_test(number: str, tests: str) -> None:
    """The test file contains the step or the function that the entry names."""
    named = TEST.findall(tests)
    assert named, number
    for file, what in named:
        result = (ROOT / file).read_text(encoding="utf-8")
        whole = rf"{re.escape(what)}\b" if what.startswith("def ") else f'"{re.escape(what)}"'
        assert re.search(whole, result), f"{number}: {what} is not in {file}"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_call_is_in_the_table(dialect: Dialect) -> None:
    """The table marks exactly the dialect's operations as served, and describes them."""
    section = PAGE.partition(f"### {dialect.title}\n")[2].partition("\n### ")[0]
    expected = {
        (operation.method, (surface.prefix + operation.path).replace(":str", ""), operation.summary)
        for surface, operation in dialect.operations
    }
    assert set(SERVED.findall(section)) == expected
