"""Requests in parts, so that single parts can be broken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support import edge_values
from support.servers.asgi import Headers, Request


@dataclass
class Known:
    """The ids that requests may name: the caller's, another workspace's, and keys of every kind."""

    key: str
    other_keys: Sequence[str]
    segments: list[str]
    contacts: list[str]
    emails: list[str]
    foreign: Sequence[str]
    keys: list[str] = field(default_factory=list)
    # The secret of a session in the caller's workspace, of one in another workspace, and invalid secrets.
    session: str = "s" * 43
    other_sessions: Sequence[str] = ("t" * 43, "", "é", "u" * 101, "v" * 100_000)
    round: int = 0
    static_segments: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    dynamic_lists: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    webhooks: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of the caller's resources."""
        segments = (*self.segments, *self.static_segments)
        lists = (*self.lists, *self.dynamic_lists)
        return [*segments, *self.contacts, *lists, *self.tags, *self.keys, *self.webhooks]


@dataclass
class Draft:
    """A request in parts, so that single parts can be broken."""

    method: str
    path: list[bytes]
    known: Known
    query: list[tuple[bytes, bytes]] = field(default_factory=list)
    headers: Headers = field(default_factory=list)
    body: Any = None
    has_body: bool = False
    content: Callable[[bytes], bytes] = bytes
    piece: int = 0

    def request(self) -> Request:
        """Put the parts together."""
        body = self.content(edge_values.encode(self.body)) if self.has_body else b""
        step = self.piece or len(body) or 1
        chunks = [body[start : start + step] for start in range(0, len(body), step)]
        query = b"&".join(key + b"=" + value for key, value in self.query)
        return Request(self.method, b"/" + b"/".join(self.path), query, self.headers, chunks)
