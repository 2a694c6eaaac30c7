"""Checks the URL of a database before anything reads it, because later errors quote parts of a password."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from diglot.errors import Misconfigured

_URL: Final = re.compile(r"[a-z0-9+.-]+://", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[^\s:\[\]]*|\[[0-9a-f:.%]+\])(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


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
