"""The commands, end to end, on every database under test; the server runs as a separate process."""

import asyncio
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from diglot import __version__
from diglot.api.openapi.document import encode_document
from diglot.cli import main
from diglot.cli.examples.contacts import CONTACT_COUNT
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.service.access.passwords import get_hasher
from diglot.storage.connect import create_engine
from diglot.storage.schema import workspace_profiles
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sql.statement import Statement
from support.engines import SQLITE, set_revision
from support.logs import restoring_logs

SEGMENT_COUNT = sum(len(dialect.demo.segments) for dialect in DIALECTS)
STOP_SECONDS = 10
START_SECONDS = 60
CONNECTIONS = 40


@dataclass(frozen=True)
class Result:
    """The result of a command."""

    code: object
    out: str
    err: str


Diglot = Callable[..., Result]


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Diglot:
    """Return a function that runs a command in an empty folder and without settings in the environment."""
    for name in [name for name in os.environ if name.startswith("DIGLOT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as left, restoring_logs():
            main(arguments)
        captured = capsys.readouterr()
        return Result(left.value.code, captured.out, captured.err)

    return run


def create_key(diglot: Diglot, url: str, dialect: str = "misar", workspace: str = "Acme", *more: str) -> str:
    """Create a key."""
    created = diglot(
        "keys", "create", "--dialect", dialect, "--workspace", workspace, "--database", url, *more
    )
    assert (created.code, created.err.count("\n")) == (0, 1), created.err
    return created.out.removesuffix("\n")


def list_keys(diglot: Diglot, url: str, *more: str) -> list[list[str]]:
    """Return the rows of `keys list`."""
    return [line.split("\t") for line in diglot("keys", "list", "--database", url, *more).out.splitlines()]


# Help and errors


COMMANDS = [
    (),
    *(("serve",), ("demo",), ("migrate",), ("openapi",), ("health",)),
    *(("backup",), ("check",), ("restore",)),
    *(("keys",), ("keys", "create"), ("keys", "list"), ("keys", "revoke"), ("keys", "adopt")),
    *(("workspaces",), ("workspaces", "list"), ("workspaces", "set"), ("workspaces", "password")),
    *(("workspaces", "rename"), ("workspaces", "delete")),
    *(("contacts",), ("contacts", "export"), ("contacts", "erase")),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(diglot: Diglot, command: tuple[str, ...]) -> None:
    """The help shows the usage, says what the command is for, and explains every option."""
    shown = diglot(*command, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith(f"Usage: {' '.join(('diglot', *command))}")
    options = shown.out.partition("\nOptions:\n")[2].partition("\nCommands:\n")[0]
    for line in re.findall(r"^  (-.*)$", options, re.MULTILINE):
        assert re.search(r"\S {2,}\S", line) or len(line) > 20, f"{command} {line} has no help"


def test_the_version(diglot: Diglot) -> None:
    """The version is the package's."""
    assert diglot("--version") == Result(0, f"diglot {__version__}\n", "")


def test_no_arguments_show_help(diglot: Diglot) -> None:
    """Neither `diglot` nor `diglot keys` alone does anything else."""
    for command in ((), ("keys",), ("workspaces",)):
        shown = diglot(*command)
        assert shown.code == 2
        assert "Commands:" in shown.err


BAD = {
    "no-such-command": (("serv",), "No such command 'serv'"),
    "no-such-option": (("serve", "--prot", "1"), "'--port'"),
    "not-a-number": (("serve", "--port", "abc"), "'abc' is not a valid integer"),
    "port": (("serve", "--port", "70000"), "port 70000 is not from 0 to 65535"),
    "workers": (("serve", "--workers", "0"), "workers 0 is not from 1 to 64"),
    "no-host": (("serve", "--host", ""), "host is empty"),
    "host": (("serve", "--host", "no such host"), "host 'no such host' is not an address of this machine"),
    "other-host": (("serve", "--host", "192.0.2.1"), "host '192.0.2.1' is not an address of this machine"),
    "targets": (
        ("serve", "--webhook-targets", "10.0.0.1/8"),
        "webhook_targets: '10.0.0.1/8' is neither a host",
    ),
    "upstream": (("serve", "--misar-upstream", "api.example.com"), "is not a URL such as https://"),
    "upstream-password": (("serve", "--topmail-upstream", "https://u:p@h"), "leave user and password out"),
    "upstream-pair": (("serve", "--upstream", "https://h"), "expected NAME=URL"),
    "upstream-name": (("serve", "--upstream", "missar=https://h"), "the dialects are misar, topmail"),
    "upstream-timeout": (("serve", "--upstream-timeout", "0"), "upstream timeout 0 is not from 1 to 3600"),
    "idle-timeout": (("serve", "--idle-timeout", "0"), "idle timeout 0 is not from 1 to 3600"),
    "body-timeout": (("serve", "--body-timeout", "3601"), "body timeout 3601 is not from 1 to 3600"),
    "config": (("serve", "--config", "no.toml"), "settings file 'no.toml'"),
    "scheme": (("serve", "--port", "0", "--database", "mysql://a/b"), "neither a file, sqlite:///FILE nor"),
    "folder": (("serve", "--port", "0", "--database", "/no/such/folder/a.db"), "unable to open database"),
    "url": (("serve", "--port", "0", "--database", "postgresql://u@h:x/d"), "the database cannot be read"),
    "server": (("keys", "list", "--database", "postgresql://u@127.0.0.1:1/d"), "cannot be opened"),
    "migrate": (("migrate", "--database", "postgresql://u@127.0.0.1:1/d"), "cannot be migrated"),
    "demo": (("demo", "--database", "postgresql://u@h/d"), "the demo keeps its examples in a file"),
    "no-dialect": (("keys", "create", "--workspace", "A"), "Missing option '--dialect'"),
    "dialect": (("keys", "create", "--dialect", "x", "--workspace", "A"), "'x' is not one of"),
    "no-file": (("keys", "list"), "there is no database file 'diglot.db'"),
    "document": (("openapi", "misar", "--check", "no.json"), "No such file"),
}


@pytest.mark.parametrize(("command", "message"), BAD.values(), ids=BAD)
def test_a_mistake_is_reported_in_one_line(diglot: Diglot, command: tuple[str, ...], message: str) -> None:
    """A mistake that the operator can fix is one line, with exit code 2."""
    refused = diglot(*command)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("diglot: ")
    assert refused.err.count("\n") == 1
    assert message in refused.err


# Passwords in URLs that are misspelt, or not percent-encoded.
MISSPELT = (
    *("postgres+asyncpg://u:%s@h/d", "postgresq://u:%s@h/d", "postgresql:/u:%s@h/d", "postgresql//u:%s@h/d"),
    *("mysql://u:/%s@h/d", "mysql://u:@%s@h/d", "mysql://h/d?password=%s", "host=h password=%s", "u:%s@h/d"),
    *("//u:%s@h/d", " postgresql://u:%s@h/d", "POSTGRESQL://u:%s@h/d", "postgresql://u:%s@h:99999/d"),
    *(
        "postgresql://u:%s@h:x/d",
        "postgresql://u:%s/a@h/d",
        "postgresql://u:%s#a@h/d",
        "postgresql://u:a/%s@h/d",
    ),
    *(
        "postgresql://u:a?%s@h/d",
        "postgresql://u:a#%s@h/d",
        "postgresql://u:[%s@h/d",
        "postgresql://u:a@%s@h/d",
    ),
    *("postgresql://u:%s@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d?password=%s"),
)


@pytest.mark.parametrize("command", [("migrate",), ("keys", "list")], ids=lambda command: command[0])
def test_no_error_has_a_password(diglot: Diglot, command: tuple[str, ...]) -> None:
    """A database that cannot be used is one line, without any part of a password."""
    for url in MISSPELT:
        refused = diglot(*command, "--database", url % "SECRET")
        assert (refused.code, refused.out) == (2, ""), url
        assert refused.err.startswith("diglot: "), url
        assert refused.err.count("\n") == 1, url
        assert "SECRET" not in refused.err, url
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DIGLOT_DATABSE", "a.db", "unknown setting DIGLOT_DATABSE: did you mean DIGLOT_DATABASE?"),
        ("DIGLOT_XYZZY", "1", "unknown setting DIGLOT_XYZZY: the settings are DIGLOT_HOST, DIGLOT_PORT"),
        ("DIGLOT_PORT", "80a", "DIGLOT_PORT: expected a whole number, got '80a'"),
        ("DIGLOT_STRICT", "maybe", "DIGLOT_STRICT: expected true or false, got 'maybe'"),
        ("DIGLOT_CONFIG", "no.toml", "settings file 'no.toml'"),
    ],
)
def test_a_bad_variable_is_reported_in_one_line(
    diglot: Diglot, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    """Every command validates the environment as strictly as the flags."""
    monkeypatch.setenv(name, value)
    for command in (("serve",), ("keys", "list")):
        refused = diglot(*command)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert refused.err.startswith(f"diglot: {message}")


def test_a_bad_settings_file_is_reported_in_one_line(diglot: Diglot) -> None:
    """For an unknown key the message names the nearest setting; a value needs the setting's type."""
    for text, message in (
        ("worker = 2", "worker: did you mean workers?"),
        ('port = "x"', "port: expected a whole number, got 'x'"),
        ("port = true", "port: expected int, got bool"),
        ("port =", "settings file 'diglot.toml'"),
    ):
        Path("diglot.toml").write_text(text)
        refused = diglot("serve", "--config", "diglot.toml")
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert message in refused.err


def test_a_file_of_another_format_is_reported_in_one_line(diglot: Diglot) -> None:
    """A file of another format is not overwritten."""
    Path("notes.db").write_text("some notes, and no database at all")
    refused = diglot("serve", "--port", "0", "--database", "notes.db")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "file is not a database" in refused.err
    assert Path("notes.db").read_text().startswith("some notes")


# Databases, keys, workspaces


def test_migrate(diglot: Diglot, empty: str) -> None:
    """The first run creates the tables, the second reports that the schema is current."""
    first = diglot("migrate", "--database", empty)
    assert (first.code, first.out) == (0, f"The database is at revision {LATEST} now; it was empty.\n")
    assert diglot("migrate", "--database", empty).out == f"The database is at revision {LATEST} already.\n"


def test_a_command_on_a_database_without_tables(diglot: Diglot, empty: str) -> None:
    """A command creates a missing SQLite file itself; on a server's database it asks for `diglot migrate`."""
    created = diglot("keys", "create", "--dialect", "misar", "--workspace", "A", "--database", empty)
    if empty.startswith("sqlite:"):
        assert created.code == 0
    else:
        assert (created.code, created.out) == (2, "")
        assert created.err == "diglot: the database has no tables yet: run `diglot migrate` first\n"


COMMANDS_ON_A_DATABASE = (
    *(("migrate",), ("serve", "--port", "0"), ("keys", "list"), ("workspaces", "list")),
    ("keys", "create", "--dialect", "misar", "--workspace", "A"),
)


@pytest.mark.parametrize("revision", ["0008", "r999"])
def test_a_database_of_another_version_is_reported_in_one_line(
    diglot: Diglot, url: str, revision: str
) -> None:
    """Every command rejects an unreleased revision and a newer one, in one line."""
    asyncio.run(set_revision(url, revision))
    for command in COMMANDS_ON_A_DATABASE:
        refused = diglot(*command, "--database", url)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert refused.err.startswith(f"diglot: the database is at revision {revision}")


def test_the_database_is_found_like_the_servers(diglot: Diglot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is flag, environment, file, default: the first one that is set wins."""
    Path("diglot.toml").write_text('database = "file.db"')
    command = ("keys", "create", "--dialect", "misar", "--workspace", "A", "--config", "diglot.toml")
    assert diglot(*command[:-2]).code == 0
    assert diglot(*command).code == 0
    monkeypatch.setenv("DIGLOT_DATABASE", "variable.db")
    assert diglot(*command).code == 0
    assert diglot(*command, "--database", "flag.db").code == 0
    assert {"diglot.db", "file.db", "variable.db", "flag.db"} <= {path.name for path in Path().iterdir()}


def test_keys_are_created_listed_and_revoked(diglot: Diglot, url: str) -> None:
    """A key is shown once; the list shows its prefix; a revoked key stays listed."""
    misar = create_key(diglot, url, "misar", "Acme", "--scopes", "read, contacts")
    topmail = create_key(diglot, url, "topmail", "Acme")
    test = create_key(diglot, url, "topmail", "Other", "--test")
    assert re.fullmatch("msk_[0-9a-f]{64}", misar)
    assert re.fullmatch("tm_live_[0-9a-f]{64}", topmail)
    assert re.fullmatch("tm_test_[0-9a-f]{64}", test)

    rows = list_keys(diglot, url)
    assert [row[1:3] for row in rows] == [["Acme", "misar"], ["Acme", "topmail"], ["Other", "topmail"]]
    assert rows[0][3:5] == [f"{misar[:12]}...", "read,contacts"]
    assert rows[1][4] == ",".join(get_dialect("topmail").key_format.default_scopes)
    assert {row[6] for row in rows} == {"active"}
    assert [row[1] for row in list_keys(diglot, url, "--workspace", "Other")] == ["Other"]

    assert diglot("keys", "revoke", rows[0][0], "--database", url).code == 0
    assert diglot("keys", "revoke", topmail, "--database", url).code == 0
    assert diglot("keys", "revoke", "-", "--database", url, stdin=f"{test}\n").code == 0
    assert all(row[6].startswith("revoked 20") for row in list_keys(diglot, url))


def test_a_workspace_has_a_password(diglot: Diglot, url: str) -> None:
    """The password comes from standard input; the database stores a hash; `--remove` deletes it."""
    create_key(diglot, url)
    command = ("workspaces", "password", "Acme", "--database", url)
    for stdin in ("correct horse\n", "correct horse\r\n", "correct horse"):
        assert diglot(*command, stdin=stdin) == Result(0, "", "Acme has a new password now.\n")
        (kept,) = asyncio.run(stored_passwords(url))
        assert kept is not None
        assert kept.startswith("$argon2id$")
        assert get_hasher().verify(kept, "correct horse")
    short = "diglot: a password has 12 to 1,000 characters\n"
    assert diglot(*command, stdin="too short\n") == Result(2, "", short)
    assert diglot(*command, stdin="p" * 1001) == Result(2, "", short)
    assert asyncio.run(stored_passwords(url)) == [kept]
    assert diglot(*command, "--remove") == Result(0, "", "Acme has no password now.\n")
    assert asyncio.run(stored_passwords(url)) == [None]
    unknown = diglot("workspaces", "password", "Nobody", "--database", url, stdin="correct horse")
    assert unknown == Result(2, "", "diglot: there is no such workspace Nobody\n")
    assert diglot(*command, "correct horse").code == 2


async def stored_passwords(url: str) -> list[str | None]:
    """Return the stored password hashes of all workspaces."""
    engine = create_engine(url)
    await engine.open()
    try:
        rows = await engine.read(
            lambda transaction: transaction.fetch_all(Statement(select(workspace_profiles.c.password_hash)))
        )
        return [row[0] for row in rows]
    finally:
        await engine.close()


def test_a_key_has_a_name_and_an_expiry(diglot: Diglot, url: str) -> None:
    """A bare date means the start of that day in the workspace's zone; the list shows the expiry."""
    options = ("--name", "Till the fair", "--expires-at", "2099-01-31", "--time-zone", "Asia/Tokyo")
    create_key(diglot, url, "misar", "Acme", *options)
    create_key(diglot, url, "topmail", "Acme", "--expires-at", "2099-01-31T09:00:00+01:00")
    rows = list_keys(diglot, url)
    assert [row[6:] for row in rows] == [
        ["active until 2099-01-30T15:00:00Z", "Till the fair", "never used"],
        ["active until 2099-01-31T08:00:00Z", "", "never used"],
    ]
    command = ("keys", "create", "--dialect", "misar", "--workspace", "Acme", "--database", url)
    for option, value, message in (
        ("--expires-at", "2020-01-01", "the end of a key lies in the future"),
        ("--expires-at", "soon", "'soon' is not a valid time: write 2027-01-31 or 2027-01-31T09:00:00Z"),
        ("--name", " ", "a key's name has 1 to 80 printable characters"),
        ("--name", "n" * 81, "a key's name has 1 to 80 printable characters"),
    ):
        assert diglot(*command, option, value) == Result(2, "", f"diglot: {message}\n")
    assert len(list_keys(diglot, url)) == 2


def test_an_existing_key_is_adopted(diglot: Diglot, url: str) -> None:
    """The key comes from standard input, to keep it out of the shell's history, or as an argument."""
    adopt = ("keys", "adopt", "--dialect", "topmail", "--workspace", "Acme", "--database", url)
    secret = "tm_live_" + "a1B2_-" * 5
    assert diglot(*adopt, stdin=f"{secret}\n") == Result(0, "", "The key is registered.\n")
    assert diglot(*adopt, secret) == Result(2, "", "diglot: this key exists already\n")
    assert diglot(*adopt, "tm_live_another").code == 0
    assert [row[3] for row in list_keys(diglot, url)] == ["tm_live_a1B2_-a1...", "tm_live_..."]


def test_mistakes_about_keys(diglot: Diglot, url: str) -> None:
    """Each mistake is one line that says how to fix it."""
    create_key(diglot, url)
    of = ("--workspace", "Acme", "--database", url)
    for command, message in (
        (("create", "--dialect", "misar", "--scopes", "all", *of), "unknown misar scope 'all': choose of"),
        (("create", "--dialect", "misar", "--test", *of), "misar has no test keys"),
        (("create", "--dialect", "misar", "--time-zone", "Mars", *of), "change it with `workspaces set`"),
        (("create", "--dialect", "misar", "--workspace", " ", "--database", url), "printable characters"),
        (("adopt", "--dialect", "misar", *of, "hello"), "not a misar key: it begins with msk_"),
        (("list", "--workspace", "Nobody", "--database", url), "there is no such workspace Nobody"),
        (("revoke", "01890a5d-ac96-774b-bcce-b302099a8057", "--database", url), "there is no such key"),
    ):
        refused = diglot("keys", *command)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert message in refused.err


def test_sources_of_webhooks(diglot: Diglot, url: str) -> None:
    """A source has a path and, once it is set, a secret; a deleted one is gone."""
    create_key(diglot, url, "misar", "Acme")
    of = ("--database", url)
    made = diglot("webhooks-in", "create", "--dialect", "topmail", "--workspace", "Acme", *of)
    path = made.out.strip()
    id_ = path.removeprefix("/api/v1/webhooks-in/")
    assert made.err == f"Set the secret of the vendor: diglot webhooks-in secret {id_}\n"
    listed = diglot("webhooks-in", "list", *of).out.rstrip("\n").split("\t")
    assert (listed[:4], listed[5]) == ([id_, "Acme", "topmail", path], "no secret")
    for secret, code in (("whsec_x\n", 0), ("", 2), ("x" * 257, 2), ("a\tb", 2)):
        assert diglot("webhooks-in", "secret", id_, *of, stdin=secret).code == code
    assert diglot("webhooks-in", "list", *of).out.endswith("\tactive\n")
    assert diglot("webhooks-in", "delete", id_, *of) == Result(0, "", "The source is deleted.\n")
    for gone in (id_, "none"):
        refused = diglot("webhooks-in", "delete", gone, *of)
        assert refused == Result(2, "", "diglot: there is no such source\n")
    unknown = diglot("webhooks-in", "create", "--dialect", "misar", "--workspace", "Nobody", *of)
    assert unknown == Result(2, "", "diglot: there is no such workspace Nobody\n")


def test_workspaces(diglot: Diglot, url: str) -> None:
    """A workspace has a time zone, which is set at creation or later."""
    create_key(diglot, url, "misar", "Berlin", "--time-zone", "Europe/Berlin")
    create_key(diglot, url, "misar", "Acme")
    of = ("--database", url)
    assert diglot("workspaces", "list", *of).out == "Acme\tUTC\nBerlin\tEurope/Berlin\n"
    assert diglot("workspaces", "set", "Acme", "--time-zone", "Asia/Tokyo", *of).code == 0
    assert diglot("workspaces", "list", *of).out == "Acme\tAsia/Tokyo\nBerlin\tEurope/Berlin\n"
    unknown = diglot("workspaces", "set", "Nobody", "--time-zone", "UTC", *of)
    assert unknown == Result(2, "", "diglot: there is no such workspace Nobody\n")
    bad = diglot("workspaces", "set", "Acme", "--time-zone", "Mars/Base", *of)
    assert bad == Result(2, "", "diglot: unknown time zone 'Mars/Base': use an IANA name\n")
    kept = diglot("workspaces", "set", "Acme", "--event-days", "30", *of)
    assert kept == Result(0, "", "Acme keeps events for 30 days now.\n")
    forever = diglot("workspaces", "set", "Acme", "--event-days", "0", *of)
    assert forever == Result(0, "", "Acme keeps events for ever now.\n")
    assert "Give --time-zone or --event-days" in diglot("workspaces", "set", "Acme", *of).err
    assert "36501" in diglot("workspaces", "set", "Acme", "--event-days", "36501", *of).err


# Documents


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_openapi(diglot: Diglot, dialect: object) -> None:
    """The document goes to standard output or to a file; if the file differs, the exit code is 1."""
    name = str(getattr(dialect, "name"))  # noqa: B009
    document = encode_document(get_dialect(name))
    assert diglot("openapi", name).out == document.decode()
    assert diglot("openapi", name, "--output", "a.json") == Result(0, "", "")
    assert Path("a.json").read_bytes() == document
    assert diglot("openapi", name, "--check", "a.json") == Result(0, "", "")
    Path("a.json").write_text("{}")
    hint = f"diglot: a.json differs from the code: run `diglot openapi {name} --output a.json`\n"
    assert diglot("openapi", name, "--check", "a.json") == Result(1, "", hint)
    assert Path("a.json").read_text() == "{}"


# The server


@dataclass(frozen=True)
class Served:
    """A server process: its output until it was ready, and its address."""

    process: subprocess.Popen[str]
    printed: list[str]
    url: str

    def statuses(self, path: str, key: str, connections: int = CONNECTIONS) -> set[int]:
        """Send requests over many connections, which the kernel spreads over the workers."""
        headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
        with httpx.Client(headers=headers) as client:
            return {client.get(self.url + path).status_code for _ in range(connections)}

    def stop(self, signal_number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds until the exit."""
        began = time.monotonic()
        self.process.send_signal(signal_number)
        return self.process.wait(STOP_SECONDS), time.monotonic() - began


@pytest_asyncio.fixture
async def prepared(tmp_path: Path) -> Path:
    """Return a folder with a migrated file, because making the tables costs a server half of its start."""
    async with SQLITE.fresh() as url:
        shutil.copy(url.removeprefix("sqlite:///"), tmp_path / "diglot.db")
    return tmp_path


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a separate process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    command = (sys.executable, "-m", "diglot", *arguments)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run a command that serves, and wait until it is ready."""
    with process(folder, *arguments) as started:
        printed: list[str] = []
        assert started.stdout is not None
        for line in started.stdout:
            printed.append(line.rstrip("\n"))
            if match := re.match(r"Diglot serves on (\S+)", line):
                yield Served(started, printed, match[1])
                return
        assert started.stderr is not None
        pytest.fail(f"the server did not start: {started.stderr.read()}")


@pytest.mark.one_in(2, of="stops of a server")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_serve(diglot: Diglot, url: str, tmp_path: Path, number: signal.Signals) -> None:
    """The server answers, checks keys, and exits with code 0 on a signal."""
    key = create_key(diglot, url)
    with served(tmp_path, "serve", "--port", "0", "--database", url) as server:
        assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
        assert server.statuses("/mail/v1/segments", key, 1) == {200}
        assert server.statuses("/mail/v1/segments", "msk_wrong", 1) == {401}
        code, seconds = server.stop(number)
        assert code == 0
        assert seconds < STOP_SECONDS
        assert server.process.communicate() == ("", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health")


@pytest.mark.one_in(2, of="stops of a server")
def test_repeated_signals_do_not_kill_a_stop(prepared: Path) -> None:
    """A hangup changes nothing, and a second stop signal does not end the process before it has stopped."""
    with served(prepared, "serve", "--port", "0") as server:
        server.process.send_signal(signal.SIGHUP)
        assert httpx.get(f"{server.url}/health").status_code == 200
        for _ in range(20):
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
        assert server.process.wait(STOP_SECONDS) == 0


@pytest.mark.one_in(2, of="stops of a server")
def test_a_stop_signal_ends_a_start_without_a_database(tmp_path: Path) -> None:
    """A start that waits for a silent database ends with code 0; the connect timeout would end it with 2."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/diglot"
        with process(tmp_path, "serve", "--port", "0", "--database", url) as started:
            silent.settimeout(START_SECONDS)
            connection, _ = silent.accept()
            with connection:
                started.send_signal(signal.SIGTERM)
                assert started.wait(STOP_SECONDS) == 0


def test_serve_creates_its_file(tmp_path: Path) -> None:
    """A fresh machine needs no preparation."""
    with served(tmp_path, "serve", "--port", "0") as server:
        assert server.statuses("/api/v1/segments", "tm_live_x", 1) == {401}
        assert server.stop()[0] == 0
    assert (tmp_path / "diglot.db").exists()


def test_serve_leaves_a_servers_database_to_migrate(diglot: Diglot, empty: str) -> None:
    """Several servers may start at once, so none of them migrates a shared schema."""
    if not empty.startswith("sqlite:"):
        refused = diglot("serve", "--port", "0", "--database", empty)
        assert refused.err == "diglot: the database has no tables yet: run `diglot migrate` first\n"
        assert refused.code == 2


def test_several_workers_and_a_revoked_key(diglot: Diglot, url: str, tmp_path: Path) -> None:
    """Every worker serves the same database; a revoked key stops working on all of them within a second."""
    key, other = create_key(diglot, url), create_key(diglot, url, "topmail")
    with served(tmp_path, "serve", "--port", "0", "--database", url, "--workers", "2") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        workers = children.read_text().split()
        assert len(workers) == 2
        library = f" with SQLite {sqlite3.sqlite_version}" if url.startswith("sqlite:") else ""
        assert server.printed == [f"Diglot serves on {server.url}{library} (stop with Ctrl+C)"]
        assert server.statuses("/mail/v1/segments", key) == {200}
        assert diglot("keys", "revoke", key, "--database", url).code == 0
        if not url.startswith("sqlite:"):
            time.sleep(1.0)
        assert server.statuses("/mail/v1/segments", key) == {401}
        assert server.statuses("/api/v1/segments", other) == {200}
        assert server.stop()[0] == 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


@pytest.mark.one_in(2, of="stops of a server")
def test_one_worker_is_one_process(prepared: Path) -> None:
    """The server answers in the process that was started, because a second one costs 25 MiB."""
    with served(prepared, "serve", "--port", "0") as server:
        pid = server.process.pid
        assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
        assert server.statuses("/api/v1/segments", "tm_live_x") == {401}
        assert server.stop()[0] == 0


# A command of this file with other code around it.
SHORT_STOP = """
from diglot.server import granian_options
granian_options.STOP_SECONDS = 1
"""
NO_LIFESPAN = """
from diglot.storage.schema import revisions
from diglot.errors import Misconfigured
async def fail(database):
    raise {error}
revisions.require_latest = fail
"""
SERVE = "from diglot.cli import main; main(['serve', '--port', '0', *sys.argv[1:]])"


@contextmanager
def patched(folder: Path, code: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Serve in a process of its own in which some code runs first."""
    command = (sys.executable, "-c", f"import sys\n{code}{SERVE}", *options)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Misconfigured('it is locked')", "diglot: it is locked\n"),
        ("KeyError('x')", "diglot: the server cannot start: KeyError: 'x'\n"),
    ],
)
def test_an_app_that_cannot_start_is_one_line(prepared: Path, error: str, line: str) -> None:
    """An exception in the lifespan ends the server with an exit code of its own."""
    with patched(prepared, NO_LIFESPAN.format(error=error)) as started:
        assert started.communicate(timeout=START_SECONDS) == ("", line)
        assert started.returncode == 2


@pytest.mark.one_in(2, of="stops of a server")
def test_a_request_that_does_not_end_delays_a_stop_for_a_while(prepared: Path) -> None:
    """A client that sends half of a body cannot keep the process alive."""
    with patched(prepared, SHORT_STOP) as started:
        assert started.stdout is not None
        found = re.search(r":(\d+) ", started.stdout.readline())
        assert found is not None
        with socket.create_connection(("127.0.0.1", int(found[1]))) as client:
            client.sendall(b"POST /session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            client.sendall(b"Sec-Fetch-Site: same-origin\r\nContent-Length: 100\r\n\r\n{")
            time.sleep(0.3)
            started.terminate()
            _, told = started.communicate(timeout=STOP_SECONDS)
    assert started.returncode == 0
    assert "Traceback" not in told


HALF_SENT = (
    b"GET /health HTTP/1.1\r\nHost",
    (
        b"POST /session HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
        b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    ),
    b"GET /mail/v1/emails HTTP/1.1\r\nHost: x\r\n\r\n",
)


def is_running(pid: int) -> bool:
    """Tell whether a process has not ended; one that only waits for its parent has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.one_in(2, of="stops of a server")
@pytest.mark.parametrize(("workers", "orders"), [(1, "T"), (2, "K"), (2, "T"), (2, "TK"), (2, "TTT")])
def test_a_stop_has_a_limit(prepared: Path, workers: int, orders: str) -> None:
    """Half-sent requests and a silent upstream cannot keep it, nor can the death of the first process."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as clients:
        upstream = f"http://127.0.0.1:{silent.getsockname()[1]}"
        arguments = ("serve", "--port", "0", "--workers", str(workers), "--misar-upstream", upstream)
        with served(prepared, *arguments) as server:
            pid = server.process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            where = httpx.URL(server.url)
            for request in HALF_SENT * 4:
                client = clients.enter_context(socket.create_connection((where.host, where.port or 0)))
                client.sendall(request)
            time.sleep(0.3)
            began = time.monotonic()
            for order in orders:
                server.process.send_signal(signal.SIGKILL if order == "K" else signal.SIGTERM)
                time.sleep(0.5)
            while any(map(is_running, (pid, *map(int, children)))):
                assert time.monotonic() - began < STOP_SECONDS
                time.sleep(0.05)


TAKEN = """
import socket
from diglot.server import addresses, process
taken = socket.create_server(('127.0.0.1', 0))
process.find_free_address = lambda host, port: addresses.ListenAddress('127.0.0.1', taken.getsockname()[1])
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_meanwhile_is_one_line(prepared: Path, workers: str) -> None:
    """Another process may take the port between the probe and the start."""
    with patched(prepared, TAKEN, "--workers", workers) as started:
        out, told = started.communicate(timeout=START_SECONDS)
    lines = [line for line in told.splitlines() if " INFO diglot.schema " not in line]
    assert (started.returncode, out, len(lines)) == (2, "", 1)
    assert re.match(r"diglot: port \d+ on 127.0.0.1 is in use", lines[0])


def test_a_worker_that_dies_is_replaced(prepared: Path) -> None:
    """One crash does not stop the service."""
    with served(prepared, "serve", "--port", "0", "--workers", "2") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        first = children.read_text().split()
        os.kill(int(first[0]), signal.SIGKILL)
        answers = httpx.Client(transport=httpx.HTTPTransport(retries=10))
        until = time.monotonic() + START_SECONDS
        while set(children.read_text().split()) <= set(first) and time.monotonic() < until:
            time.sleep(0.05)
        assert answers.get(f"{server.url}/health").status_code == 200
        answers.close()
        assert server.stop()[0] == 0


@pytest.mark.one_in(2, of="stops of a server")
def test_ctrl_c_stops_workers_through_the_first_process(prepared: Path) -> None:
    """A terminal signals every process, but workers keep serving until the first process stops them."""
    with served(prepared, "serve", "--port", "0", "--workers", "2") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        workers = children.read_text().split()
        for worker in workers:
            os.kill(int(worker), signal.SIGINT)
        assert server.statuses("/api/v1/segments", "tm_live_x") == {401}
        assert children.read_text().split() == workers
        assert server.stop(signal.SIGINT)[0] == 0


def test_a_port_in_use_is_reported_in_one_line(diglot: Diglot) -> None:
    """Workers share their port; two servers never do."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        for command in ("serve", "demo"):
            refused = diglot(command, "--port", str(port))
            assert (refused.code, refused.out) == (2, "")
            expected = f"diglot: port {port} on 127.0.0.1 is in use: stop what uses it, or choose another"
            assert refused.err.startswith(expected)
    assert list(Path().iterdir()) == []


def test_the_access_log(prepared: Path) -> None:
    """Each request is one line on standard error, with the request's id and without the key."""
    with served(prepared, "serve", "--port", "0", "--access-log") as server:
        httpx.get(
            f"{server.url}/mail/v1/segments", headers={"X-Request-Id": "r1", "Authorization": "Bearer s"}
        )
        secret = "msk_" + "5" * 64
        httpx.get(f"{server.url}/mail/v1/segments/{secret}?{secret}", headers={"X-Request-Id": secret})
        assert server.stop()[0] == 0
        assert server.process.stderr is not None
        log = server.process.stderr.read()
    assert re.search(
        r"^2[0-9]{3}-[0-9-]{5}T[0-9:]{8}\.[0-9]{3}Z INFO diglot\.access request method=GET "
        r"path=/mail/v1/segments status=401 ms=[0-9.]+ bytes=[0-9]+ client=127\.0\.0\.1 .*request=r1$",
        log,
        re.MULTILINE,
    )
    assert "Bearer" not in log
    assert " path=/mail/v1/segments/msk_55555555... status=401 " in log
    assert secret not in log


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2"])
def test_several_workers_need_a_fixed_sqlite(
    diglot: Diglot, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Older versions can corrupt a file that two processes write; the rejection creates no file."""
    monkeypatch.setattr(sqlite3, "sqlite_version", version)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", tuple(map(int, version.split("."))))
    refused = diglot("serve", "--port", "0", "--workers", "2")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        f"diglot: SQLite {version} can corrupt a file that 2 workers share: "
        "set --workers 1, or install the package pysqlite3 (3.51.3, 3.50.7 or 3.44.6 is needed)\n"
    )
    assert not list(Path().iterdir())


def test_strict_reaches_the_workers(diglot: Diglot, prepared: Path) -> None:
    """A flag means the same to the command and to its worker processes."""
    key = create_key(diglot, "diglot.db")
    nested = {"rules": [{"rules": [{"field": "email", "operator": "is_empty"}]}]}
    body = {"name": "A", "segment_type": "dynamic", "filter_criteria": nested}
    for flag, status in (("--strict", 400), ("--no-strict", 201)):
        with served(prepared, "serve", "--port", "0", flag) as server:
            answer = httpx.post(
                f"{server.url}/mail/v1/segments", headers={"Authorization": f"Bearer {key}"}, json=body
            )
            assert answer.status_code == status
            assert server.stop()[0] == 0


# The demo


def curl(line: str) -> httpx.Response:
    """Send the request of a printed curl line."""
    words = shlex.split(line)
    assert words[0] == "curl"
    assert words[2] == "-H"
    name, _, value = words[3].partition(": ")
    return httpx.get(words[1], headers={name: value})


def test_demo(tmp_path: Path) -> None:
    """The demo prints a key and a curl line for each dialect, which work, and the reference's address."""
    with served(tmp_path, "demo", "--port", "0") as server:
        summary = f"{CONTACT_COUNT:,} contacts and {SEGMENT_COUNT} segments in diglot-demo.db"
        assert server.printed[0].startswith("Open the console in a browser; this link works once: http://")
        assert server.printed[2].startswith(summary)
        lines = [line for line in server.printed if line.startswith("  curl ")]
        answers = [curl(line.strip()) for line in lines]
        assert [answer.status_code for answer in answers] == [200, 200]
        misar, topmail = (answer.json() for answer in answers)
        assert misar["data"]["pagination"]["total"] == SEGMENT_COUNT
        assert 0 < topmail["pagination"]["total"] < CONTACT_COUNT
        (shown,) = (line.rpartition(" ")[2] for line in server.printed if line.endswith("/docs"))
        assert httpx.get(shown).status_code == 200
        assert server.stop()[0] == 0


def test_demo_is_created_once(diglot: Diglot) -> None:
    """A second run reuses the file and the keys, which only this user can read."""
    first = diglot("demo", "--no-serve", "--port", "18080")
    second = diglot("demo", "--no-serve", "--port", "18080")
    assert (first.code, second.code) == (0, 0)
    assert ", created in " in first.out.splitlines()[0]
    assert second.out.splitlines()[0].endswith(", unchanged")
    assert first.out.splitlines()[1:] == second.out.splitlines()[1:]
    assert first.out.count("http://127.0.0.1:18080/") == 3
    kept = Path("diglot-demo.keys")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert set(json.loads(kept.read_text()).values()) == set(re.findall(r"key: (\S+)", first.out))


def test_every_segment_of_the_demo_has_members(diglot: Diglot, tmp_path: Path) -> None:
    """An example with no contact or all contacts would explain nothing; a lost or revoked key is replaced."""
    diglot("demo", "--no-serve")
    keys = json.loads(Path("diglot-demo.keys").read_text())
    assert diglot("keys", "revoke", keys["topmail"], "--database", "diglot-demo.db").code == 0
    Path("diglot-demo.keys").write_text(json.dumps({"topmail": keys["topmail"]}))
    with served(tmp_path, "demo", "--port", "0") as server:
        fresh = json.loads(Path("diglot-demo.keys").read_text())
        assert not {*fresh.values()} & {*keys.values()}
        listing = httpx.get(
            f"{server.url}/mail/v1/segments", headers={"Authorization": f"Bearer {fresh['misar']}"}
        ).json()
        counts = {segment["name"]: segment["contact_count"] for segment in listing["data"]["segments"]}
        assert len(counts) == SEGMENT_COUNT
        assert [name for name, count in counts.items() if not 0 < count < CONTACT_COUNT] == []
        # It has a past, which the server keeps, and in which contacts came and went.
        since = datetime.now(UTC).date() - timedelta(days=100)
        sizes = httpx.get(
            f"{server.url}/mail/v1/segments/{listing['data']['segments'][0]['id']}/sizes?by=day&since={since}",
            headers={"Authorization": f"Bearer {fresh['misar']}"},
        ).json()["data"]["buckets"]
        assert len(sizes) == 101
        assert min(sum(day[side] for day in sizes) for side in ("entered", "left")) > 50
        assert server.stop()[0] == 0


def test_unreadable_keys_of_the_demo(diglot: Diglot) -> None:
    """A damaged file of keys is reported in one line."""
    Path("diglot-demo.keys").write_text("[1, 2")
    refused = diglot("demo", "--no-serve")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "diglot-demo.keys is not a file of demo keys" in refused.err
