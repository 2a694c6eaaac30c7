"""`diglot serve`."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from diglot.app import load_app
from diglot.cli.options import config_option, warn_of_risk
from diglot.dialects.registry import DIALECTS
from diglot.server import process
from diglot.settings import load_settings

F = TypeVar("F", bound=Callable[..., Any])


def _split_upstream(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[tuple[str, str]]:
    found = [(name, url) for name, is_pair, url in (each.partition("=") for each in given) if is_pair]
    if len(found) < len(given):
        raise click.BadParameter("expected NAME=URL")
    return found


def _upstream_options(command: F) -> F:
    """Add the option for all upstreams, and the older one of each dialect."""
    for dialect in reversed(DIALECTS):
        command = click.option(
            f"--{dialect.name}-upstream",
            metavar="URL",
            help=f"The same as --upstream {dialect.name}=URL. [default: nowhere]",
        )(command)
    examples = " or ".join(f"{dialect.name}={dialect.vendor_url}" for dialect in DIALECTS)
    return click.option(
        "--upstream",
        metavar="NAME=URL",
        multiple=True,
        callback=_split_upstream,
        help=f"Where to forward calls of a dialect that Diglot does not serve, such as {examples}; "
        "repeat it for each. [default: nowhere]",
    )(command)


@click.command()
@click.option("--host", help="The address to listen on; 0.0.0.0 means all. [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port; 0 picks a free one. [default: 8000]")
@click.option(
    "--database",
    metavar="FILE|URL",
    help="A SQLite file, created if missing, or postgresql://USER:PASSWORD@HOST/NAME. [default: diglot.db]",
)
@click.option(
    "--workers", type=int, help="Number of server processes; use one for each processor core. [default: 1]"
)
@click.option(
    "--strict/--no-strict",
    default=None,
    help="Reject what the vendor would reject, such as nested groups. [default: no]",
)
@click.option(
    "--rate-limits",
    metavar="vendor|off|NUMBER",
    help="Rate limits of a key: those of its vendor, off, or NUMBER requests a minute for each call. "
    "[default: vendor]",
)
@_upstream_options
@click.option(
    "--upstream-timeout",
    type=int,
    metavar="SECONDS",
    help="Seconds that an upstream may send nothing before it times out. [default: 60]",
)
@click.option(
    "--idle-timeout",
    type=int,
    metavar="SECONDS",
    help="Seconds that a connection may be idle, or take to send the head of a request. [default: 25]",
)
@click.option(
    "--body-timeout",
    type=int,
    metavar="SECONDS",
    help="Seconds that a client may take to send a body, plus one for each 32 KiB. [default: 30]",
)
@click.option(
    "--webhook-targets",
    metavar="LIST",
    help="Allowed targets of webhooks: public, any, hosts, networks; separated by commas. [default: public]",
)
@click.option(
    "--verify-every-hours",
    type=int,
    metavar="HOURS",
    help="Hours between verifications of a dynamic segment by a full evaluation; 0 turns them off. "
    "[default: 24]",
)
@click.option(
    "--history-days",
    type=int,
    metavar="DAYS",
    help="Days to keep membership changes. [default: 30]",
)
@click.option(
    "--trusted-proxies",
    type=int,
    help="Number of reverse proxies in front of the server: it trusts this many X-Forwarded-... entries. "
    "[default: 0]",
)
@click.option(
    "--secure-cookies/--no-secure-cookies",
    default=None,
    help="Mark session cookies as https only, even if the server cannot detect https. [default: no]",
)
@click.option(
    "--docs/--no-docs",
    default=None,
    help="Serve /docs and the OpenAPI documents, without a key. [default: yes]",
)
@click.option("--access-log/--no-access-log", default=None, help="Log a line for each request. [default: no]")
@config_option
def serve(config: str | None, upstream: list[tuple[str, str]], **flags: Any) -> None:
    """Start the server.

    Every option can also be set in the environment, as DIGLOT_HOST, DIGLOT_PORT and so on, or in the file
    of --config. Flags win over the environment, and the environment over the file.
    """
    names = [dialect.name for dialect in DIALECTS]
    older = {name: url for name in names if (url := flags.pop(f"{name}_upstream")) is not None}
    flags["upstreams"] = older | dict(upstream)
    settings = load_settings(flags, file=config, dialects=names)
    warn_of_risk(settings.database)
    process.serve(settings, partial(process.announce_url, settings), partial(load_app, settings))
