"""The server process: serves alone, or starts worker processes."""

from collections.abc import Callable

import click

from diglot.server.addresses import find_free_address
from diglot.server.asgi import App
from diglot.settings import Settings
from diglot.storage.connect import name_library, require_shareable


def serve(settings: Settings, announce: Callable[[str], None], load_app: Callable[[], App]) -> None:
    """Serve until a signal; `announce` gets the URL once the server responds.

    Each process that answers calls `load_app`.
    """
    address = find_free_address(settings.host, settings.port)
    require_shareable(settings.database, settings.workers)
    if settings.workers == 1:
        from diglot.server import one_process as server  # noqa: PLC0415 - each needs another half of granian
    else:
        from diglot.server import worker_processes as server  # type: ignore[no-redef] # noqa: PLC0415 - see above
    server.serve(settings, address, lambda: announce(address.url), load_app)


def announce_url(settings: Settings, url: str) -> None:
    """Print the URL of the server, and the version of SQLite if it uses a file."""
    library = name_library(settings.database)
    click.echo(f"Diglot serves on {url}{f' with {library}' if library else ''} (stop with Ctrl+C)")
