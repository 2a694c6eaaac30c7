"""Options of granian that one process and several workers share: protocol, limits, logging."""

import resource
from typing import Any, Final

from granian.constants import HTTPModes
from granian.http import HTTP1Settings
from granian.log import LogLevels

from diglot.settings import Settings

# What has not stopped by then is killed, so that stopping always ends.
STOP_SECONDS: Final = 10
# Connections that a worker accepts, and the backlog of the system beyond them.
_CONNECTIONS: Final = 4_096
_QUEUE: Final = 2_048
# Open files of a worker besides connections: the database, upstreams, webhooks, the log.
_OTHER_FILES: Final = 512
# The buffer for an incomplete request head; a larger head is answered 431.
_MOST_HEAD: Final = 65_536
# granian's lines go to the handler of all others. Its own access log is never used.
_LOGGING: Final = {
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "propagate": True},
        "granian.access": {"handlers": [], "propagate": False},
    },
}


def build_options(settings: Settings) -> dict[str, Any]:
    """Return the options; raises the limit of open files as a side effect."""
    return {
        "http": HTTPModes.http1,
        "http1_settings": HTTP1Settings(settings.idle_timeout * 1_000, max_buffer_size=_MOST_HEAD),
        "backlog": _QUEUE,
        "backpressure": make_room(),
        "websockets": False,
        "log_level": LogLevels.warning,
        "log_dictconfig": _LOGGING,
    }


def make_room() -> int:
    """Raise the limit of open files as far as needed; return the number of connections for each worker.

    A worker must never run out of files, because it would then retry accepting connections in a busy loop.
    """
    wanted = _CONNECTIONS + _OTHER_FILES
    soft, hard = (
        wanted if limit == resource.RLIM_INFINITY else min(limit, wanted)
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(hard - _OTHER_FILES, hard // 2)
