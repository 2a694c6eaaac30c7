"""`diglot serve`."""

from functools import partial
from typing import Any

import click

from diglot.app import from_environment
from diglot.cli.options import config_option, warn_of_risk
from diglot.server import process
from diglot.settings import load_settings


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
@click.option(
    "--misar-upstream",
    metavar="URL",
    help="Where to forward Misar calls that Diglot does not serve, such as https://api.misar.io. "
    "[default: nowhere]",
)
@click.option(
    "--topmail-upstream",
    metavar="URL",
    help="Where to forward Topmail calls that Diglot does not serve, such as https://api.topmail.so. "
    "[default: nowhere]",
)
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
def serve(config: str | None, **flags: Any) -> None:
    """Start the server.

    Every option can also be set in the environment, as DIGLOT_HOST, DIGLOT_PORT and so on, or in the file
    of --config. Flags win over the environment, and the environment over the file.
    """
    settings = load_settings(flags, file=config)
    warn_of_risk(settings.database)
    process.serve(settings, partial(process.announce_url, settings), from_environment)
