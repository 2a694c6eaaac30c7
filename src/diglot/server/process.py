"""The server process: granian workers that share one address."""

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

# A worker that has not stopped by then is killed, so that stopping always ends.
STOP_SECONDS: Final = 15
_START_SECONDS: Final = 60.0
# Connections that a worker accepts, and the backlog of the system beyond them.
_CONNECTIONS: Final = 4_096
_QUEUE: Final = 2_048
# Open files of a worker besides connections: the database, upstreams, webhooks, the log.
_OTHER_FILES: Final = 512
# The buffer for an incomplete request head; a larger head is answered 431.
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
    """An address to listen on: an IP, because granian takes no host names, and a free port."""

    ip: str
    port: int

    @property
    def local_ip(self) -> str:
        """The IP at which this machine reaches the server."""
        return _LOOPBACK_OF.get(self.ip, self.ip)

    @property
    def url(self) -> str:
        """The URL of the server for clients on this machine."""
        return (
            f"http://[{self.local_ip}]:{self.port}"
            if ":" in self.local_ip
            else f"http://{self.local_ip}:{self.port}"
        )


def find_free_address(host: str, port: int) -> ListenAddress:
    """Return the address of a host and port (0: any port); raise `Misconfigured` if it cannot be used.

    Workers share their port (SO_REUSEPORT), and a second server would silently share it too, so the port is
    probed first.
    """
    try:
        candidates = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"host {host!r} is not an address of this machine") from error
    family, kind, protocol, _, sockaddr = min(
        candidates, key=lambda candidate: candidate[0] != socket.AF_INET
    )
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(sockaddr)
            probe.listen(1)
        except OSError as error:
            raise Misconfigured(_describe_bind_error(error, host, port)) from error
        return ListenAddress(str(sockaddr[0]), probe.getsockname()[1])


def _describe_bind_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what uses it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user: choose one from 1024 with --port"
    return f"host {host!r} is not an address of this machine"


class Announcing(MPServer):
    """A granian server that calls a function once it responds."""

    def __init__(self, address: ListenAddress, announce: Callable[[], None], **options: Any) -> None:
        super().__init__("diglot.app:from_environment", address.ip, address.port, **options)
        self._address = address
        self._announce = announce

    def startup(self, *arguments: Any) -> None:
        """Start the workers, then wait for the first healthy response in a thread."""
        super().startup(*arguments)  # type: ignore[no-untyped-call]
        threading.Thread(target=self._wait, daemon=True).start()

    def _stop_workers(self) -> None:
        """Stop the workers, and wait until each has ended.

        granian checks only once: a worker that ended just now still looks alive to it, and it reports that
        the worker refused to stop. A worker that is alive after this wait is killed without another wait, so
        that a half-sent request delays stopping by `STOP_SECONDS` and one second, not by twice that time.
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
    """Serve until a signal; `announce` gets the URL once the server responds.

    Raises `Misconfigured` if the server cannot start. Each worker calls `load_app`, which reads the settings
    from its environment.
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
    """Raise the limit of open files as far as needed; return the number of connections for each worker.

    A worker must never run out of files, because it would then retry accepting connections in a busy loop.
    """
    needed = _CONNECTIONS + _OTHER_FILES
    soft, hard = (
        needed if limit == resource.RLIM_INFINITY else min(limit, needed)
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(hard - _OTHER_FILES, hard // 2)


def _reset_worker_signals() -> None:
    """Let workers end on SIGTERM until they install handlers, and leave Ctrl+C to the first process.

    The inherited signal handlers would ignore SIGTERM, and shutdown would hang. Ctrl+C reaches all processes
    of a terminal; a worker that gets two signals at once, from the terminal and the first process, may
    deadlock.
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
    """Freeze loaded objects, so that a garbage collection in a worker does not write to, and copy, pages."""
    gc.collect()
    gc.freeze()


def _load_in_worker(load_app: Callable[[], App]) -> App:
    """Return the app in a worker process, which ends with the process that started it.

    A worker that outlived it would keep the port, and nothing would stop it.
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
    """Print the URL of the server, and the version of SQLite if it uses a file."""
    library = name_library(settings.database)
    click.echo(f"Diglot serves on {url}{f' with {library}' if library else ''} (stop with Ctrl+C)")
