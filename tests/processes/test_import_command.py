"""`diglot import`: a file from the command line, also beside a server, stopped and continued."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from diglot.model.pages import Window
from diglot.storage.connect import create_engine
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace
from support.commands import Run, command_runner

ROWS: Final = 3_000
PRESETS: Final = Path(__file__).parents[1] / "spec" / "imports" / "presets"


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str) -> Run:
    """Return a function that runs a command in a database with a workspace."""
    run = command_runner(capsys, monkeypatch)
    run("keys", "create", "--dialect", "topmail", "--workspace", "acme", "--database", url)
    return lambda *arguments, **options: run(*arguments, "--database", url, **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of contacts, two of them invalid."""
    path = tmp_path / "people.csv"
    lines = [f"p{n}@{'@' * (n in (7, 2_000))}example.com,Maya,{n}" for n in range(ROWS)]
    path.write_text(
        "\n".join(["Email Address;First Name;Points".replace(";", ","), *lines]), encoding="utf-8"
    )
    return path


def emails(url: str) -> list[str]:
    """Return the addresses of the first workspace, oldest first."""

    async def load() -> list[str]:
        engine: Engine = create_engine(url)
        await engine.open()
        try:
            window = Window(limit=10 * ROWS, offset=0)
            found = await engine.read(
                bind_workspace(1, lambda tenant: queries.load_contact_page(tenant, window))
            )
        finally:
            await engine.close()
        return [contact.email for contact in reversed(found)]

    return asyncio.run(load())


def test_a_file_with_rejected_rows(diglot: Run, url: str, file: Path, tmp_path: Path) -> None:
    """A dry run says what the import does; the rejected rows, mended, import in the same way."""
    arguments = ("import", str(file), "--workspace", "acme", "--map", "Points=attributes.points")
    tried = diglot(*arguments, "--dry-run")
    assert tried.out.splitlines()[:2] == ["people.csv: 3,000 rows, nothing is written", "       2,998 new"]
    assert "row 9 would be refused: Email Address: Invalid email" in tried.out
    told = "warning: Email Address: 2 rows are refused for the value\n"
    untold = "warning: No column says who opted out, so every new contact becomes subscribed\n"
    assert untold + told in tried.out
    assert emails(url) == []
    rejects = tmp_path / "rejects.csv"
    done = diglot(*arguments, "--rejects", str(rejects), "--tag", "june")
    assert (done.code, done.out.splitlines()[:2]) == (0, ["people.csv: 3,000 rows", "       2,998 new"])
    assert "           2 refused\n" in done.out
    assert f"custom fields: Points\n{untold}{told}" in done.out
    assert "100 % imported" in done.err
    lines = rejects.read_text(encoding="utf-8").splitlines()
    assert lines == [
        "Email Address,First Name,Points,diglot_row,diglot_reason",
        "p7@@example.com,Maya,7,9,Email Address: Invalid email",
        "p2000@@example.com,Maya,2000,2002,Email Address: Invalid email",
    ]
    rejects.write_text("\n".join(lines).replace("@@", "@"), encoding="utf-8")
    mended = diglot("import", str(rejects), *arguments[2:])
    assert "           2 new\n" in mended.out
    assert "custom fields: Points\n" in mended.out
    assert len(emails(url)) == ROWS


def test_a_preset_and_a_status(diglot: Run) -> None:
    """The options reach the file."""
    file = str(PRESETS / "brevo.csv")
    done = diglot("import", file, "--workspace", "acme", "--preset", "brevo")
    assert "           4 new\n" in done.out
    assert "           3 got another status than subscribed\n" in done.out
    again = diglot("import", file, "--workspace", "acme", "--preset", "brevo", "--status", "bounced")
    assert "           4 changed\n" in again.out
    skipped = diglot("import", file, "--workspace", "acme", "--preset", "brevo", "--skip-existing")
    assert "           4 skipped\n" in skipped.out


def test_a_declared_encoding(diglot: Run, tmp_path: Path) -> None:
    """A file that is not UTF-8 is refused, or read as its sender says."""
    path = tmp_path / "old.csv"
    path.write_bytes("email,first_name\na@example.com,Zoë\n".encode("cp1252"))
    refused = diglot("import", str(path), "--workspace", "acme")
    assert (refused.code, refused.err.splitlines()[-1]) == (
        2,
        "diglot: old.csv is not imported: The file is not UTF-8 (byte 34)",
    )
    done = diglot("import", str(path), "--workspace", "acme", "--encoding", "windows-1252")
    assert "           1 new\n" in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--map", "Points"), "--map needs COLUMN=FIELD, not 'Points'"),
        (("--map", "Points=score"), "--map Points: score is no field: write attributes.score"),
        (("--encoding", "x-unheard-of"), "The character set x-unheard-of is not known"),
        (("--tag", " "), "--tags: A tag has 1 to 100 characters"),
        (("--preset", "unheard-of"), "Invalid value for '--preset'"),
        (("--rejects", "{file}"), "exists already: name a new file"),
        (("--workspace", "nobody"), "there is no such workspace nobody"),
        (("--map", "nothing="), "map.nothing: No column has this name: the columns are Email Address"),
    ],
)
def test_faults(diglot: Run, url: str, file: Path, options: tuple[str, ...], message: str) -> None:
    """A fault is one line, and nothing is imported."""
    given = [option.format(file=file) for option in options]
    refused = diglot("import", str(file), "--workspace", "acme", *given)
    assert refused.code == 2
    assert message in refused.err.splitlines()[-1]
    assert emails(url) == []


def start(url: str, file: Path) -> "subprocess.Popen[str]":
    """Start an import as a process of its own."""
    command = [sys.executable, "-m", "diglot", "import", str(file), "--workspace", "acme", "--database", url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for_rows(url: str, process: "subprocess.Popen[str]") -> int:
    """Wait until some contacts are imported; return how many."""
    while process.poll() is None:
        if (count := len(emails(url))) > 0:
            return count
        time.sleep(0.02)
    return len(emails(url))


def test_a_killed_import_is_continued(diglot: Run, url: str, file: Path) -> None:
    """Killed as often as it likes, it imports each row once, in the order of the file."""
    for _ in range(2):
        process = start(url, file)
        wait_for_rows(url, process)
        process.kill()
        process.communicate()
    done = diglot("import", str(file), "--workspace", "acme")
    assert done.code == 0
    assert emails(url) == [f"p{n}@example.com" for n in range(ROWS) if n not in (7, 2_000)]


def test_an_interrupted_import_says_how_to_go_on(diglot: Run, url: str, file: Path) -> None:
    """Ctrl-C ends it after the part in progress."""
    process = start(url, file)
    wait_for_rows(url, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    there = len(emails(url))
    if process.returncode == 130:
        assert "The same command continues." in err
    else:
        assert process.returncode == 0, err
    done = diglot("import", str(file), "--workspace", "acme")
    assert there <= len(emails(url)) == ROWS - 2
    assert done.code == 0
