"""The versions of SQLite that several processes can share, and how the commands treat the others."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from diglot.cli.options import resolve_database
from diglot.errors import Misconfigured
from diglot.storage.connect import prepare_database
from diglot.storage.sql import sqlite_module
from diglot.storage.sql.sqlite_module import is_mended, require_mended, require_supported, sqlite3

Take = Callable[[str], None]

VERSIONS = {
    "3.7.0": False,
    "3.37.0": False,
    "3.40.1": False,
    "3.43.99": False,
    "3.44.0": False,
    "3.44.5": False,
    "3.44.6": True,
    "3.44.10": True,
    "3.45.0": False,
    "3.46.1": False,
    "3.49.9": False,
    "3.50.6": False,
    "3.50.7": True,
    "3.50.12": True,
    "3.51.0": False,
    "3.51.1": False,
    "3.51.2": False,
    "3.51.3": True,
    "3.52.0": True,
    "3.53.4": True,
    "4.0.0": True,
}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Take:
    """Return a function that makes the library report a version."""

    def change(version: str) -> None:
        monkeypatch.setattr(sqlite3, "sqlite_version", version)
        monkeypatch.setattr(sqlite3, "sqlite_version_info", numbers(version))

    return change


@pytest.mark.parametrize(("version", "mended"), VERSIONS.items())
def test_which_versions_are_fixed(version: str, mended: bool, take: Take) -> None:
    """Several workers start only with a fixed version; one worker starts with any."""
    assert is_mended(numbers(version)) is mended
    take(version)
    require_mended(1)
    if mended:
        require_mended(2)
        return
    with pytest.raises(Misconfigured, match=rf"^SQLite {version} can corrupt .* 2 workers share: [^\n]*$"):
        require_mended(2)


def test_a_version_without_needed_features_is_rejected(take: Take) -> None:
    """It would otherwise fail later, in the middle of a request."""
    take("3.37.0")
    require_supported()
    take("3.36.9")
    with pytest.raises(Misconfigured, match="is too old: 3\\.37 is needed"):
        require_supported()


@pytest.mark.parametrize(
    ("version", "in_use"), [("3.40.1", True), ("3.40.1", False), ("3.53.4", True), ("3.53.4", False)]
)
async def test_a_command_warns_if_another_process_has_the_file_open(
    version: str, in_use: bool, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The write-ahead log exists as long as a process has the file open."""
    file = tmp_path / "diglot.db"
    warned = in_use and version == "3.40.1"
    await prepare_database(str(file))
    connection = sqlite3.connect(file)
    connection.execute("SELECT * FROM workspaces").fetchall()
    if not in_use:
        connection.close()
    take(version)
    resolve_database(str(file), None)
    connection.close()
    output = capsys.readouterr().err
    assert output.startswith("diglot: warning: another process seems to have") is warned
    assert output.count("\n") == warned


def test_the_newer_library_is_used() -> None:
    """If the platform has a wheel, the wheel contains a fixed library."""
    import sqlite3 as pythons  # noqa: PLC0415 - only its version is read

    assert sqlite_module.sqlite3.sqlite_version_info >= pythons.sqlite_version_info


def test_bound_values_stay_as_they_are() -> None:
    """The adapters that save a search for one return the value that they got."""
    values = (None, b"", b"\x00\xff", "", "text", 0, 2**62, 1.5)
    with closing(sqlite3.connect(":memory:")) as connection:
        bound = connection.execute(f"SELECT {','.join('?' * len(values))}", values).fetchone()
        types = connection.execute("SELECT typeof(?), typeof(?)", (None, b"")).fetchone()
    assert bound == values
    assert types == ("null", "blob")
