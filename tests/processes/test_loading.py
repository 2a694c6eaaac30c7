"""What a start loads: a library that neither the command nor the settings need costs time and memory."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from diglot.cli import SUMMARIES, commands

LISTED = "; import json, sys; print(json.dumps(sorted(sys.modules)))"
HELP = "import diglot.cli; diglot.cli.commands.main(['--help'], standalone_mode=False)"
APP = """
from diglot.app import create_app
from diglot.setting_sources import load_settings
create_app(load_settings({"database": "a.db"}, {}))
"""
# What only another database, a change of the schema, a delivery, an upstream, a password, a document, a page
# of metrics or of the console, or a trace needs.
SELDOM_NEEDED = {
    *("alembic", "sqlalchemy.ext.asyncio", "asyncpg", "sqlalchemy.dialects.postgresql"),
    *("httpx", "pygments", "rich.console", "argon2", "diglot.api.openapi.document"),
    *("jinja2", "diglot.console.application"),
    *("markdown_it", "diglot.server.console.markdown_pages"),
    *("prometheus_client", "opentelemetry.sdk", "diglot.server.observability.open_telemetry"),
}
OF_A_SERVER = {"asyncio", "granian", "litestar", "msgspec", "sqlalchemy"}


def loaded(code: str, folder: Path) -> set[str]:
    """Return the modules that a new process has after some code."""
    command = [sys.executable, "-c", code.strip().replace("\n", "; ") + LISTED]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_an_app_on_a_file_loads_what_it_needs(tmp_path: Path) -> None:
    """The default settings ask for no other database, no delivery, no upstream, no password, no document."""
    assert not loaded(APP, tmp_path) & SELDOM_NEEDED


def test_help_loads_no_server(tmp_path: Path) -> None:
    """The help of all commands needs the library of the command line alone."""
    assert not loaded(HELP, tmp_path) & (SELDOM_NEEDED | OF_A_SERVER)


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_help_of_all_has_the_line_of_each_command(name: str) -> None:
    """The lines stand apart from the commands, because a command is imported when it is called."""
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert command.get_short_help_str(limit=1_000) == SUMMARIES[name]
