"""The files for a deployment, checked by running their commands, which needs no container engine."""

import configparser
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from diglot.settings import Settings
from diglot.storage.sql.sqlite_module import sqlite3
from support.commands import Run, command_runner
from support.engines import DATABASES
from support.paths import ROOT

SECONDS = 60
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
UNIT = ROOT / "docs" / "deploy" / "diglot.service"


def instruction(name: str) -> str:
    """Return the arguments of the last instruction with this name, on one line."""
    lines = re.sub(r"\\\n", " ", DOCKERFILE)
    arguments: list[str] = re.findall(rf"^{name} (.+)$", lines, re.MULTILINE)
    return arguments[-1]


def image_environment() -> dict[str, str]:
    """Return the settings of the image."""
    pairs = (word.partition("=") for word in shlex.split(instruction("ENV")))
    return {name: value for name, _, value in pairs if name.startswith("DIGLOT_")}


def free_port() -> int:
    """Return a port that nobody uses, below those that the system gives to clients."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with suppress(OSError), socket.create_server(("0.0.0.0", port)):  # noqa: S104 - as the image binds it
            return port
    raise AssertionError("no port is free")


@pytest.fixture
def diglot(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in this process."""
    return command_runner(capsys, monkeypatch)


def command_line(words: list[str], settings: dict[str, str], folder: Path) -> dict[str, Any]:
    """Return arguments for `subprocess`: `diglot` is the one under test, with these settings only."""
    assert Path(words[0]).name == "diglot"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    return {
        "args": [sys.executable, "-m", "diglot", *words[1:]],
        "env": inherited | settings,
        "cwd": folder,
    }


def run(words: list[str], settings: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        **command_line(words, settings, folder), capture_output=True, text=True, check=False, timeout=SECONDS
    )


@contextmanager
def serving(words: list[str], settings: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the time of the block, which stops it; it must leave with 0."""
    with subprocess.Popen(**command_line(words, settings, folder)) as process:
        try:
            yield process
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


def wait_for_port(port: str) -> None:
    """Wait until a server listens, because each health check before that costs as much as half a start."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", int(port))):
            return
        time.sleep(0.05)


def check_until_healthy(words: list[str], settings: dict[str, str], folder: Path) -> None:
    """Run a health check until it succeeds, as a container engine does while a server starts."""
    wait_for_port(settings["DIGLOT_PORT"])
    until = time.monotonic() + SECONDS
    while (checked := run(words, settings, folder)).returncode:
        assert checked.returncode == 1, checked.stderr
        assert time.monotonic() < until, checked.stderr
        time.sleep(0.1)


@pytest.mark.one_in(2, of="deployments")
def test_the_image(tmp_path: Path) -> None:
    """Its command serves, its health check follows the settings, its signal stops it; it is not root."""
    settings = image_environment()
    assert instruction("EXPOSE") == settings["DIGLOT_PORT"]
    assert settings["DIGLOT_DATABASE"].startswith(f"{instruction('VOLUME')}/")
    assert instruction("USER") == "10001:10001"
    settings |= {"DIGLOT_PORT": str(free_port()), "DIGLOT_DATABASE": str(tmp_path / "diglot.db")}
    serve = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    check = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    with serving(serve, settings, tmp_path) as process:
        check_until_healthy(check, settings, tmp_path)
        process.send_signal(signal.Signals[instruction("STOPSIGNAL")])
    refused = run(check, settings, tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


@pytest_asyncio.fixture
async def pristine() -> AsyncIterator[str]:
    """Lend the URL of a PostgreSQL database without tables."""
    [postgresql] = [database for database in DATABASES if database.name == "postgresql"]
    async with postgresql.empty() as url:
        yield url


@pytest.mark.one_in(2, of="deployments")
def test_the_services_of_compose(pristine: str, tmp_path: Path) -> None:
    """PostgreSQL first, then `migrate`, then `serve`, each with the settings of the file."""
    services = COMPOSE["services"]
    assert services["diglot"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["diglot"]["ports"] == [f"127.0.0.1:8000:{image_environment()['DIGLOT_PORT']}"]
    entry = json.loads(instruction("ENTRYPOINT"))
    check = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    settings = image_environment() | {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value)
        for name, value in services["diglot"]["environment"].items()
    }
    assert settings["DIGLOT_DATABASE"].startswith("postgresql://diglot:${POSTGRES_PASSWORD:?")
    settings |= {"DIGLOT_DATABASE": pristine, "DIGLOT_PORT": str(free_port())}
    migrated = run([*entry, *services["migrate"]["command"]], settings, tmp_path)
    assert migrated.returncode == 0, migrated.stderr
    with serving([*entry, *services["diglot"]["command"]], settings, tmp_path) as process:
        check_until_healthy(check, settings, tmp_path)
        process.terminate()
    assert not list(tmp_path.iterdir())  # the root is read-only


@pytest.mark.one_in(2, of="deployments")
def test_the_unit(tmp_path: Path) -> None:
    """Its command serves in the folder of its state, where the database is made."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    settings = {"DIGLOT_PORT": str(free_port())}
    with serving(shlex.split(service["ExecStart"]), settings, tmp_path) as process:
        check_until_healthy(["diglot", "health"], settings, tmp_path)
        process.terminate()
    assert (tmp_path / "diglot.db").exists()


def test_a_health_check_names_a_port(tmp_path: Path) -> None:
    """Port 0 is any port, so there is nothing to ask."""
    refused = run(["diglot", "health", "--port", "0"], {}, tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_litestream_copies_the_file_of_the_unit() -> None:
    """The configuration names the file that the systemd unit has, without its ephemeral tables."""
    configuration = yaml.safe_load((UNIT.parent / "litestream.yml").read_text())
    [database] = configuration["dbs"]
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    assert database["path"] == f"{unit['Service']['WorkingDirectory']}/{Settings().database}"
    assert set(database) == {"path", "replica"}
    assert database["replica"].keys() == {"type", "bucket", "path", "sync-interval"}
    page = (ROOT / "docs" / "operate.md").read_text()
    assert f"litestream restore -config litestream.yml -o restored.db {database['path']}\n" in page
    assert f"diglot restore restored.db --database {database['path']}\n" in page


def test_what_litestream_restores_is_put_in_place(diglot: Run, tmp_path: Path) -> None:
    """Its copy has two tables of its own, and the rollback journal that a new file has."""
    database, restored = str(tmp_path / "diglot.db"), str(tmp_path / "restored.db")
    for words in (("migrate", "--database", database), ("backup", restored, "--database", database)):
        assert diglot(*words).code == 0
    with closing(sqlite3.connect(restored)) as connection:
        connection.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
        connection.execute("CREATE TABLE _litestream_lock (id INTEGER)")
    for words in (
        ("check", "--database", restored),
        ("restore", restored, "--database", database),
        ("check", "--database", database),
    ):
        assert diglot(*words).code == 0
