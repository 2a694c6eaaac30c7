"""Tells on a terminal where the console is, with the one-time token of a new server."""

import asyncio
import logging
import threading
from dataclasses import dataclass, field

import click

from diglot.errors import DiglotError
from diglot.server import process
from diglot.service.access.first_visit import FirstVisit, create_token
from diglot.settings import Settings
from diglot.storage.connect import open_engine

log = logging.getLogger("diglot")


@dataclass(frozen=True, slots=True)
class ConsoleLink:
    """The console of a server that starts, and the token for setting it up."""

    settings: Settings
    token: str = field(default_factory=create_token)

    def announce(self, url: str) -> None:
        """Print the URL of the server, and on a new one the link with which a person sets it up."""
        process.announce_url(self.settings, url)
        if self.settings.console:
            # The caller must not wait for the database.
            threading.Thread(target=self._announce_setup, args=(url,), daemon=True).start()

    def _announce_setup(self, url: str) -> None:
        try:
            is_new = asyncio.run(self._is_new())
        except DiglotError as error:
            log.debug("the server may be new: %s", error)
            return
        if is_new:
            click.echo(f"Set up this new server in a browser: {url}/console/setup#{self.token}")

    async def _is_new(self) -> bool:
        async with open_engine(self.settings.database) as engine:
            return await FirstVisit(engine).is_new()
