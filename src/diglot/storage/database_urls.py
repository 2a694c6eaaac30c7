"""Checks the URL of a database before anything reads it, because later errors quote parts of a password.

The URL also carries the size of the statement cache, because every command and every check connects with it.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from diglot.errors import Misconfigured

_URL: Final = re.compile(r"[a-z0-9+.-]+://", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[^\s:\[\]]*|\[[0-9a-f:.%]+\])(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)
_STATEMENT_CACHE: Final = re.compile(r"[?&]statement_cache=(?P<size>[0-9]+)$")
# How many statements a connection to a server keeps prepared, unless its URL says otherwise.
STATEMENT_CACHE: Final = 100


def write_statement_cache(url: str, size: int) -> str:
    """Return the URL of a server's database with the size of the statement cache."""
    return f"{url}{'&' if '?' in url else '?'}statement_cache={size}"


def read_statement_cache(url: str) -> tuple[str, int]:
    """Return the URL as the operator wrote it, and the size of the statement cache."""
    if (written := _STATEMENT_CACHE.search(url)) is None:
        return url, STATEMENT_CACHE
    return url[: written.start()], int(written["size"])


def require_readable(url: str) -> None:
    """Raise `Misconfigured` for a URL of a server that cannot be split into its parts."""
    if _URL.match(url) and not _is_readable(url):
        raise Misconfigured(
            "the URL of the database cannot be read: percent-encode the special characters of its password, "
            "and check its port"
        )


def _is_readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if not parts.netloc:
            return True  # a file, or a socket of this machine
        if parts.query:
            parse_qsl(parts.query, strict_parsing=True)
    except ValueError:
        return False
    user, _, hosts = parts.netloc.rpartition("@")
    return "@" not in user and not parts.fragment and all(map(_is_host, hosts.split(",")))


def _is_host(written: str) -> bool:
    match = _HOST.fullmatch(written)
    return match is not None and int(match["port"] or 1) in range(1, 65_536)
