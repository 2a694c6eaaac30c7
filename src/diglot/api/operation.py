"""Operations: one record for each call, used by the pipeline, the OpenAPI document and the tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from litestar.types import Method

JSON: Final = "application/json"
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `response` is the struct of a successful response; `body` and `query` document the input.

    A response that is a file has `files` in its place: the media types that it may have.
    """

    id: str
    method: Method
    path: str
    tag: str
    summary: str
    scope: str
    response: type[msgspec.Struct] | None = None
    status: int = 200
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    query: type[msgspec.Struct] | None = None
    max_bytes: int = MEBIBYTE
    # Media types that the body may have besides JSON, each with the type that documents it.
    other_bodies: Mapping[str, type[msgspec.Struct | str]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    may_conflict: bool = False
    # The body refers to a resource that may not exist.
    body_references: bool = False
    # Clients retry the call without an idempotency key, so equal requests within seconds are executed once.
    deduplicated: bool = False
    # Writes many contacts, each part in a transaction of its own, and stores its progress for a retry.
    in_parts: bool = False
    # Writes nothing although it is not a GET, so it needs no idempotency key and no stored response.
    read_only: bool = False
    # The handler reads the body as it arrives, because it does not fit into memory.
    streams_body: bool = False
    # The response contains a secret, so it is never stored.
    returns_secret: bool = False
    # The response lists members, and a header gives the last change that it includes.
    lists_members: bool = False
    # The response is a file of members, and headers give its change, its revision and its number of contacts.
    exports_members: bool = False
    # The vendor calls it, without a key: the signature of the body tells whether it may.
    is_signed: bool = False
    # The vendor does not have this call.
    extension: bool = False

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types that the body may have."""
        is_json = self.body is not None or not self.other_bodies
        return (*((JSON,) if is_json else ()), *self.other_bodies)

    @property
    def accepts_idempotency_key(self) -> bool:
        """Whether a client may send an Idempotency-Key, so that the request is executed once."""
        has_key = not (self.read_only or self.returns_secret or self.streams_body or self.is_signed)
        return self.method != "GET" and has_key

    @property
    def has_id(self) -> bool:
        """Whether the path contains an id, which may not exist."""
        return "{" in self.path
