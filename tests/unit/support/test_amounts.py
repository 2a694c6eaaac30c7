"""A run of the whole suite has the small amounts; one of a part of it leaves nothing out."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support import amounts
from support.paths import ROOT, TESTS


class Config:
    """What the amounts read and write of pytest's configuration."""

    def __init__(self, *args: str, **options: Any) -> None:
        names = [amount.option.removeprefix("--").replace("-", "_") for amount in amounts.AMOUNTS]
        usual = {"full": False, "keyword": "", "markexpr": "not slow", "lf": False}
        self.args = args
        self.option = SimpleNamespace(**{**dict.fromkeys(names), **usual, **options})

    def getoption(self, name: str, default: Any = None) -> Any:
        return getattr(self.option, name, default)

    def getini(self, name: str) -> list[str]:
        assert name == "addopts"
        return ["-m", "not slow"]


def drawn_by(config: Config) -> int:
    """Return whether a run draws, after the amounts are settled."""
    amounts.settle(cast("pytest.Config", config))
    return int(config.getoption("drawn"))


@pytest.mark.parametrize("path", [TESTS, ROOT])
def test_the_whole_suite_is_drawn(path: Path) -> None:
    """It does not matter how the run names the suite; the fast tests of all of it are drawn, too."""
    assert drawn_by(Config(str(path))) == 1
    assert drawn_by(Config(str(path), markexpr="fast")) == 1


@pytest.mark.parametrize(
    "config",
    [
        Config(str(TESTS), full=True),
        Config(str(TESTS), keyword="segments"),
        Config(str(TESTS), markexpr="clients"),
        Config(str(TESTS), lf=True),
        Config(str(TESTS / "storage")),
        Config(f"{TESTS / 'unit' / 'test_ids.py'}::test_a"),
    ],
    ids=["full", "words", "marks", "last failures", "folder", "test"],
)
def test_a_part_is_whole(config: Config) -> None:
    """Whoever names tests gets all of them."""
    assert drawn_by(config) == 0


def test_an_option_decides() -> None:
    """An amount that is given stays, whatever is run."""
    assert drawn_by(Config(str(TESTS / "storage"), drawn=1)) == 1
    assert drawn_by(Config(str(TESTS), full=True, drawn=1)) == 1
    assert drawn_by(Config(str(TESTS), drawn=0)) == 0
