"""Tells on a terminal where the console is, with the one-time token of a new server."""

from dataclasses import dataclass, field
from functools import partial
from typing import Final

import click

from diglot.server import process
from diglot.server.addresses import ListenAddress, answers_ok
from diglot.server.threads import start_thread
from diglot.service.access.first_visit import create_token
from diglot.settings import Settings

SETUP_PATH: Final = "/console/setup"


@dataclass(frozen=True, slots=True)
class ConsoleLink:
    """The console of a server that starts, and the token for setting it up."""

    settings: Settings
    token: str = field(default_factory=create_token)

    def announce(self, address: ListenAddress) -> None:
        """Print the URL of the server, and on a new one the link with which a person sets it up."""
        process.announce_url(self.settings, address.url)
        if self.settings.console:
            # The caller must not wait for the answer, which it may have to give itself.
            start_thread(partial(self._announce_setup, address))

    def _announce_setup(self, address: ListenAddress) -> None:
        # Only a server without a workspace shows this page.
        if answers_ok(address, SETUP_PATH):
            click.echo(f"Set up this new server in a browser: {address.url}{SETUP_PATH}#{self.token}")
