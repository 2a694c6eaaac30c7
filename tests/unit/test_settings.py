"""The upstreams of the settings: by dialect, in a newer and an older spelling, from three places."""

from pathlib import Path

import pytest

from diglot.errors import Misconfigured
from diglot.setting_sources import load_settings
from diglot.storage.database_urls import read_statement_cache


def test_each_place_sets_its_upstreams_alone(tmp_path: Path) -> None:
    """Flags win over the environment, the environment over the file: for each dialect by itself."""
    file = tmp_path / "diglot.toml"
    file.write_text('a_upstream = "http://file"\n[upstreams]\nb = "http://file"\nc = "http://file"\n')
    environment = {"DIGLOT_UPSTREAM_B": "http://environment", "DIGLOT_UPSTREAM_A": "http://environment"}
    found = load_settings({"upstreams": {"a": ""}}, environment, str(file))
    assert found.upstreams == {"a": "", "b": "http://environment", "c": "http://file"}


def test_the_newer_spelling_wins_within_a_place() -> None:
    """A worker's environment holds what its operator set and, in the newer spelling, what is in force."""
    environment = {"DIGLOT_UPSTREAM_A": "http://newer", "DIGLOT_A_UPSTREAM": "http://older"}
    assert load_settings({}, environment).upstreams == {"a": "http://newer"}


def test_an_upstream_of_no_dialect_is_refused() -> None:
    """The server knows the dialects; other commands need no upstream."""
    environment = {"DIGLOT_UPSTREAM_X": "http://x"}
    with pytest.raises(Misconfigured, match=r"^upstream of 'x': the dialects are a, b$"):
        load_settings({}, environment, dialects=["a", "b"])


def test_a_table_of_upstreams_is_a_table(tmp_path: Path) -> None:
    """The file holds them by dialect."""
    file = tmp_path / "diglot.toml"
    file.write_text('upstreams = "http://file"\n')
    with pytest.raises(Misconfigured, match="expected a table of URLs by dialect"):
        load_settings({}, {}, str(file))


@pytest.mark.parametrize(
    ("url", "cache", "connects"),
    [
        ("postgresql://u:p@h/n", 100, ("postgresql://u:p@h/n", 100)),
        ("postgresql://u:p@h/n", 0, ("postgresql://u:p@h/n", 0)),
        ("postgresql://u@/n?host=/tmp/a&port=6432", 7, ("postgresql://u@/n?host=/tmp/a&port=6432", 7)),
    ],
)
def test_the_url_carries_the_statement_cache(url: str, cache: int, connects: tuple[str, int]) -> None:
    """Whatever connects with the URL knows how, and sends no server a parameter that it does not know."""
    environment = {"DIGLOT_DATABASE": url, "DIGLOT_STATEMENT_CACHE": str(cache)}
    assert read_statement_cache(load_settings({}, environment).database) == connects


def test_a_file_has_no_statement_cache() -> None:
    """The setting is of PostgreSQL alone."""
    assert load_settings({"statement_cache": 0}, {}).database == "diglot.db"
