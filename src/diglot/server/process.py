"""The server process: granian, one worker process after another on one address."""

import asyncio
import errno
import gc
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from diglot.errors import Misconfigured
from diglot.server.asgi import HEALTH_PATH, App
from diglot.settings import Settings, to_environment
from diglot.storage.connect import check_database, name_library, require_shareable

# After this a worker that does not end is killed, so that a stop always ends.
STOP_SECONDS: Final = 15
_START_SECONDS: Final = 60.0
# Connections that a worker holds at once, and those that wait in the queue of the system beyond them.
_CONNECTIONS: Final = 4_096
_QUEUE: Final = 2_048
# Files of a worker that are no connections of clients: the database, upstreams, webhooks, the log.
_OTHER_FILES: Final = 512
# What a connection holds of a head that has not ended; a larger head is answered 431.
_MOST_HEAD: Final = 65_536
_POLL_SECONDS: Final = 0.002
_STOP_SIGNALS: Final = (signal.SIGTERM,)
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what these addresses mean, not a bind
_LOGGING: Final = {
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
        "access": {"class": "logging.NullHandler"},
    }
}


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address to serve on: an IP, as granian takes no names, and a port that is free."""

    ip: str
    port: int

    @property
    def local_ip(self) -> str:
        """The IP at which this machine reaches it."""
        return _LOOPBACK_OF.get(self.ip, self.ip)

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        return (
            f"http://[{self.local_ip}]:{self.port}"
            if ":" in self.local_ip
            else f"http://{self.local_ip}:{self.port}"
        )


def find_free_address(host: str, port: int) -> ListenAddress:
    """Return the address of a host and port (0: any); raise `Misconfigured` when it cannot be served on.

    Workers share their port, and so would a second server, silently: hence the look before.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"host {host!r} is not an address of this machine") from error
    family, kind, protocol, _, where = min(found, key=lambda one: one[0] != socket.AF_INET)
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
            probe.listen(1)
        except OSError as error:
            raise Misconfigured(_describe_bind_error(error, host, port)) from error
        return ListenAddress(str(where[0]), probe.getsockname()[1])


def _describe_bind_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what uses it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user: choose one from 1024 with --port"
    return f"host {host!r} is not an address of this machine"


class Announcing(MPServer):
    """The server, calling a function once it answers."""

    def __init__(self, address: ListenAddress, announce: Callable[[], None], **options: Any) -> None:
        super().__init__("diglot.app:from_environment", address.ip, address.port, **options)
        self._address = address
        self._announce = announce

    def startup(self, *arguments: Any) -> None:
        """Start the workers, then wait for their first answer beside them."""
        super().startup(*arguments)  # type: ignore[no-untyped-call]
        threading.Thread(target=self._wait, daemon=True).start()

    def _stop_workers(self) -> None:
        """Stop the workers, and wait until each is known to have ended.

        Granian looks once: a worker of which another thread is just learning that it ended seems alive to it,
        and it says that it refused to stop. What is alive after the wait here is killed without another one,
        so that a half-sent request holds a stop for `STOP_SECONDS` and a second, not for twice that time.
        """
        for worker in self.wrks:
            worker.terminate()  # type: ignore[no-untyped-call]
        until = time.monotonic() + STOP_SECONDS
        for worker in self.wrks:
            while worker.inner.exitcode is None and time.monotonic() < until:
                worker.inner.join(_POLL_SECONDS)
                time.sleep(_POLL_SECONDS)
        self.workers_kill_timeout = 1
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        pause = threading.Event()
        while time.monotonic() < until and not self.main_loop_interrupt.is_set():
            if _is_healthy(self._address):
                return self._announce()
            pause.wait(0.02)
        return None


def _is_healthy(address: ListenAddress) -> bool:
    connection = HTTPConnection(address.local_ip, address.port, timeout=5)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def serve(settings: Settings, announce: Callable[[str], None], load_app: Callable[[], App]) -> None:
    """Serve until a signal; `announce` gets the URL once it answers. Raise `Misconfigured` before.

    Each worker calls `load_app`, which reads the settings from its environment.
    """
    address = find_free_address(settings.host, settings.port)
    require_shareable(settings.database, settings.workers)
    asyncio.run(check_database(settings.database))
    os.environ.update(to_environment(settings))
    server = Announcing(
        address,
        lambda: announce(address.url),
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(settings.idle_timeout * 1_000, max_buffer_size=_MOST_HEAD),
        backlog=_QUEUE,
        backpressure=make_room(),
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig=_LOGGING,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    )
    _reset_worker_signals()
    _freeze_loaded_objects()
    server.serve(target_loader=partial(_load_in_worker, load_app), wrap_loader=False)


def make_room() -> int:
    """Raise the limit of open files as far as needed; return how many connections a worker may hold.

    A worker never runs out of files, because it would then try to accept connections without a pause.
    """
    wanted = _CONNECTIONS + _OTHER_FILES
    soft, hard = (
        wanted if limit == resource.RLIM_INFINITY else min(limit, wanted)
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(hard - _OTHER_FILES, hard // 2)


def _reset_worker_signals() -> None:
    """Have a worker end by the signal to stop until it listens itself, and leave Ctrl+C to the first process.

    What it inherits from the first process would pass over it, and the stop wait for it in vain. Ctrl+C
    goes to all processes of a terminal: a worker that hears of it twice at once, from there and from the
    first process, may wait for itself.
    """

    def begin() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS),
        after_in_child=begin,
    )


def _freeze_loaded_objects() -> None:
    """Keep what is loaded by now in memory once: a collection in a worker would write to each page of it."""
    gc.collect()
    gc.freeze()


def _load_in_worker(load_app: Callable[[], App]) -> App:
    """Return the app of a worker process, which ends with the process that started it.

    One that went on alone would keep the port, and nobody would stop it.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    return load_app()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def announce_url(settings: Settings, url: str) -> None:
    """Print the URL of the server, and the version of SQLite where it runs on a file."""
    library = name_library(settings.database)
    click.echo(f"Diglot serves on {url}{f' with {library}' if library else ''} (stop with Ctrl+C)")
