"""What a call is, said once: routed by the pipeline, described in the OpenAPI document, walked by tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from litestar.types import Method

JSON: Final = "application/json"
MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `answer` is the body of success; `body` and `query` are structs that document the input."""

    id: str
    method: Method
    path: str
    tag: str
    summary: str
    scope: str
    answer: type[msgspec.Struct]
    status: int = 200
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    query: type[msgspec.Struct] | None = None
    most_bytes: int = MEGABYTE
    # Media types of the body that the call reads besides JSON, each with what documents it.
    other_bodies: Mapping[str, type[msgspec.Struct | str]] = field(default_factory=dict)
    conflict: bool = False
    # The body names a thing that may not exist.
    names: bool = False
    # Clients send it again when no answer came, without a name for it: once within seconds is enough.
    retried: bool = False
    # It changes nothing, though it is no GET: there is nothing to do once, and nothing to keep.
    reads: bool = False
    # Its answer shows a secret once, so it is kept nowhere.
    secret: bool = False
    # Its answer lists members and says in a header which change it knows last.
    lists_members: bool = False
    # The vendor has no such call.
    extension: bool = False

    @property
    def media(self) -> tuple[str, ...]:
        """The media types of the body that the call reads."""
        return (JSON, *self.other_bodies)

    @property
    def may_be_named(self) -> bool:
        """Whether a client may name a request, to have it done once."""
        return not (self.method == "GET" or self.reads or self.secret)

    @property
    def has_id(self) -> bool:
        """Whether the path names a thing, so that it may be missing."""
        return "{" in self.path
