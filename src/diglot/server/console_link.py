"""Tells on a terminal where the console is, with the one-time token of a new server."""

from dataclasses import dataclass, field
from typing import Final

import click

from diglot.server import process
from diglot.server.addresses import ListenAddress, answers_ok
from diglot.service.access.first_visit import create_token
from diglot.settings import Settings

SETUP_PATH: Final = "/console/setup"
# Answered with 200 as long as the server has no workspace, and without loading the pages.
IS_NEW_PATH: Final = "/console/new"


@dataclass(frozen=True, slots=True)
class ConsoleLink:
    """The console of a server that starts, and the token for setting it up."""

    settings: Settings
    token: str = field(default_factory=create_token)

    def announce(self, address: ListenAddress) -> None:
        """Print the URL of the server, and on a new one the link with which a person sets it up.

        It asks the server first, so that no request of ours is in flight once somebody knows the URL.
        """
        is_new = self.settings.console and answers_ok(address, IS_NEW_PATH)
        process.announce_url(self.settings, address.url)
        if is_new:
            click.echo(f"Set up this new server in a browser: {address.url}{SETUP_PATH}#{self.token}")
