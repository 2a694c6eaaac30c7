"""`diglot health`."""

import click

from diglot.cli.options import config_option
from diglot.errors import Misconfigured
from diglot.server.addresses import ListenAddress, is_healthy
from diglot.setting_sources import load_settings


@click.command()
@click.option("--host", help="The address of the server; 0.0.0.0 means this machine. [default: 127.0.0.1]")
@click.option("--port", type=int, help="The port of the server. [default: 8000]")
@config_option
def health(host: str | None, port: int | None, config: str | None) -> None:
    """Tell whether the server responds.

    Exits with 1 if it does not. It finds the server by the same flags, variables and file as `diglot serve`,
    so a health check of a container follows its settings.
    """
    settings = load_settings({"host": host, "port": port}, file=config)
    if settings.port == 0:
        raise Misconfigured("port 0 is any free port: name the port on which the server listens")
    address = ListenAddress(settings.host, settings.port)
    if is_healthy(address):
        click.echo(f"{address.url} responds")
        return
    click.echo(f"diglot: {address.url} does not respond", err=True)
    raise click.exceptions.Exit(1)
