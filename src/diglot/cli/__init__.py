"""The command line: what an operator does. An error that an operator can mend is one line and exit code 2."""

import sys
from collections.abc import Sequence

import click

from diglot import __version__
from diglot.cli.demo import demo
from diglot.cli.keys import keys
from diglot.cli.migrate import migrate
from diglot.cli.openapi import openapi
from diglot.cli.serve import serve
from diglot.cli.workspaces import workspaces
from diglot.errors import Conflict, InvalidInput, Misconfigured, NotFound


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="diglot", message="%(prog)s %(version)s")
def commands() -> None:
    """Diglot serves the audience APIs of Misar and Topmail over one database of your own.

    New here? `diglot demo` starts a server with example contacts and prints keys and curl lines to try.
    For your own data: `diglot keys create` makes a key, `diglot serve` starts the server.
    """


for _command in (serve, demo, migrate, keys, workspaces, openapi):
    commands.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    try:
        code = commands.main(arguments, prog_name="diglot", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except (click.ClickException, Conflict, InvalidInput, Misconfigured, NotFound) as error:
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
