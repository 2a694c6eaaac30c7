"""The command line for operators. An error that the operator can fix is one line, with exit code 2."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Final

import click

from diglot import __version__
from diglot.errors import Conflict, InvalidInput, Misconfigured, NotFound, Unavailable

# The lines of `diglot --help`. They are listed here because importing a command's module loads its needs.
SUMMARIES: Final = {
    "backup": "Copy a SQLite database into a file, while it is in use.",
    "check": "Look for damage and wrong counts in a database.",
    "contacts": "Export or erase everything that is stored about one person.",
    "demo": "Start a server with example contacts and segments.",
    "export": "Write the contacts of a workspace, a segment or a list as CSV or as lines of JSON.",
    "health": "Tell whether the server responds.",
    "import": "Import contacts from FILE, of comma-separated values, into a workspace.",
    "keys": "Create, list, revoke and adopt API keys.",
    "migrate": "Migrate a database to the schema of this version.",
    "openapi": "Print the OpenAPI 3.1 document of a dialect.",
    "restore": "Put a backup in place of a SQLite database.",
    "serve": "Start the server.",
    "webhooks-in": "Receive the webhooks of a vendor, so that its opens and opt-outs are known here.",
    "workspaces": "List, rename, delete, export and import workspaces, set their time zones and passwords.",
}
# Of a command whose name is a word of Python, or no name in it.
_MODULES: Final = {"import": "import_contacts", "webhooks-in": "vendors.webhooks_in"}


class _Commands(click.Group):
    """The commands, each of which is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help text."""
        del ctx
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; return None if no command has this name."""
        del ctx
        if cmd_name not in SUMMARIES:
            return None
        with _without_collecting():
            name = _MODULES.get(cmd_name, cmd_name)
            command: click.Command = getattr(import_module(f"diglot.cli.{name}"), name.rpartition(".")[2])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Import with garbage collection off, and freeze the imported objects, which are never freed."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="diglot", message="%(prog)s %(version)s")
def commands() -> None:
    """Diglot serves the audience APIs of Misar and Topmail over one database of your own.

    New here? `diglot demo` starts a server with example contacts and prints keys and curl lines to try.
    For your own data: `diglot keys create` creates a key, `diglot serve` starts the server.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    try:
        code = commands.main(arguments, prog_name="diglot", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except (click.ClickException, Conflict, InvalidInput, Misconfigured, NotFound, Unavailable) as error:
        click.echo(f"diglot: {_error_line(error)}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _error_line(error: Exception) -> str:
    if isinstance(error, NotFound):
        return f"there is no such {error.resource}"
    if isinstance(error, InvalidInput):
        return "; ".join(fault.message for fault in error.faults)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{_format_click_error(error)} (see `{error.ctx.command_path} --help`)"
    return _format_click_error(error) if isinstance(error, click.ClickException) else str(error)


def _format_click_error(error: click.ClickException) -> str:
    return " ".join(error.format_message().split()).rstrip(".")
