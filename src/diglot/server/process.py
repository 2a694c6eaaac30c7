"""The server process: serves alone, or starts worker processes."""

from collections.abc import Callable
from typing import Final

import click

from diglot.computations import favor_event_loop
from diglot.server.addresses import ListenAddress, find_free_address
from diglot.server.asgi import App
from diglot.server.observability.cells import SharedCells
from diglot.server.observability.families import SIZE
from diglot.server.observability.log_format import configure_logging
from diglot.settings import Settings
from diglot.storage.connect import name_library, require_shareable

# Slots for each worker: a worker that is replaced may still run beside its successor.
_SLOTS_PER_WORKER: Final = 2


def serve(
    settings: Settings, announce: Callable[[ListenAddress], None], load_app: Callable[[SharedCells], App]
) -> None:
    """Serve until a signal; `announce` gets the address once the server responds.

    Each process that answers calls `load_app` with what all processes of the server share.
    """
    favor_event_loop()
    address = find_free_address(settings.host, settings.port)
    require_shareable(settings.database, settings.workers)
    if settings.workers == 1:
        from diglot.server import one_process as server  # noqa: PLC0415 - each needs another half of granian
    else:
        from diglot.server import worker_processes as server  # type: ignore[no-redef] # noqa: PLC0415 - see above
    configure_logging(settings)
    slots = 1 if settings.workers == 1 else settings.workers * _SLOTS_PER_WORKER
    server.serve(settings, address, lambda: announce(address), load_app, SharedCells(SIZE, slots))


def announce_url(settings: Settings, url: str) -> None:
    """Print the URL of the server, and the version of SQLite if it uses a file."""
    library = name_library(settings.database)
    click.echo(f"Diglot serves on {url}{f' with {library}' if library else ''} (stop with Ctrl+C)")
