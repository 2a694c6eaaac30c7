"""`diglot serve`."""

from functools import partial
from typing import Any

import click

from diglot.cli.options import config_option
from diglot.server import process
from diglot.settings import load


@click.command()
@click.option("--host", help="The address to listen on; 0.0.0.0 means all. [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port; 0 takes a free one. [default: 8000]")
@click.option(
    "--database",
    metavar="FILE|URL",
    help="A SQLite file, made when missing, or postgresql://USER:PASSWORD@HOST/NAME. [default: diglot.db]",
)
@click.option("--workers", type=int, help="Server processes; one for each processor core. [default: 1]")
@click.option(
    "--strict/--no-strict",
    default=None,
    help="Refuse what the vendor itself would refuse, such as nested groups. [default: no]",
)
@click.option(
    "--rate-limits",
    metavar="vendor|off|NUMBER",
    help="How often a key may ask: as its vendor allows, as often as it likes, or NUMBER times a minute "
    "with each call. [default: vendor]",
)
@click.option(
    "--misar-upstream",
    metavar="URL",
    help="Where calls of Misar's that Diglot does not serve go, such as https://api.misar.io. "
    "[default: nowhere]",
)
@click.option(
    "--topmail-upstream",
    metavar="URL",
    help="The same for Topmail, such as https://api.topmail.so. [default: nowhere]",
)
@click.option(
    "--upstream-timeout",
    type=int,
    metavar="SECONDS",
    help="How long an upstream may keep silent. [default: 60]",
)
@click.option(
    "--idle-timeout",
    type=int,
    metavar="SECONDS",
    help="How long a connection may be idle, or take for the head of a request, before it is closed. "
    "[default: 25]",
)
@click.option(
    "--body-timeout",
    type=int,
    metavar="SECONDS",
    help="How long a client may take to send a body, beside a second for each 32 KiB of it. [default: 30]",
)
@click.option(
    "--webhook-targets",
    metavar="LIST",
    help="Where webhooks may lead: public, any, hosts, networks; separated by commas. [default: public]",
)
@click.option(
    "--verify-hours",
    type=int,
    metavar="HOURS",
    help="Evaluate every dynamic segment in full once in so many hours, and compare; 0 for never. "
    "[default: 24]",
)
@click.option(
    "--history-days",
    type=int,
    metavar="DAYS",
    help="How long to keep who entered and left segments. [default: 30]",
)
@click.option(
    "--proxies",
    type=int,
    help="How many reverse proxies stand before the server: so many X-Forwarded-... entries are believed. "
    "[default: 0]",
)
@click.option(
    "--secure-cookies/--no-secure-cookies",
    default=None,
    help="Sign people in with cookies for https only, where the server cannot see that it is. [default: no]",
)
@click.option(
    "--docs/--no-docs",
    default=None,
    help="Serve /docs and the OpenAPI documents, to whoever asks. [default: yes]",
)
@click.option("--access-log/--no-access-log", default=None, help="Log a line for each request. [default: no]")
@config_option
def serve(config: str | None, **flags: Any) -> None:
    """Start the server.

    Every option can also be set in the environment, as DIGLOT_HOST, DIGLOT_PORT and so on, or in the file
    of --config. Flags win over the environment, and the environment over the file.
    """
    settings = load(flags, file=config)
    process.serve(settings, partial(process.announce, settings))
