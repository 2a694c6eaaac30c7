"""The domain errors.

    DiglotError
    |-- InvalidInput            the input has faults: a list, each with its path
    |   `-- MalformedRequest    the body is not the JSON object that the call needs (no path)
    |-- Unauthenticated         no key, or a key that is unknown or revoked
    |   `-- InvalidSignature    a webhook of a vendor whose signature is not right, or too old
    |-- Forbidden               the key lacks a scope
    |   `-- ScopeNotGranted     the key lacks a scope that it tries to give to another key
    |-- CrossSiteWrite          another site may have sent this write with a session cookie
    |-- NotFound                the workspace has no such object
    |-- Conflict                the object exists already
    |   `-- InUse               rules name the object, so that it is not deleted
    |-- LimitReached            the workspace has as many of something as it may have
    |-- IdempotencyKeyReused    the idempotency key belongs to a different request
    |-- TooManyRequests         the key has to wait before its next request
    |-- MethodNotAllowed        the path exists, the method does not
    |-- UnsupportedMediaType    the body has another media type
    |-- ContentTooLarge         the body exceeds a limit
    |-- RequestTimeout          the body does not arrive in time
    |-- UpstreamUnreachable     the upstream of a dialect did not answer, or timed out
    |-- Unavailable             the request cannot be served now, but may be in a moment
    |   |-- DatabaseAway        it does not answer
    |   |-- DatabaseBusy        no connection or lock became free in time
    |   |-- DatabaseReadOnly    it accepts no writes
    |   |-- DatabaseDamaged     its file is damaged, or was replaced or deleted while in use
    |   |-- DeadlineExceeded    a read took longer than it may
    |   |-- ServerBusy          the server holds as many unread answers or forwarded calls as it may
    |   `-- StorageFull         its disk is full
    `-- Misconfigured           a setting or a database that prevents the start

Nothing here depends on HTTP: each dialect has a table that maps these classes to its own responses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of an input: its path (properties and indexes as the client sent them) and a message."""

    path: Path
    message: str


class DiglotError(Exception):
    """The base class of every error that Diglot raises on purpose."""


class InvalidInput(DiglotError):
    """The input has one or more faults, in document order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, f.path))}: {f.message}" for f in self.faults))

    @classmethod
    def at(cls, path: Path, message: str) -> "InvalidInput":
        """Return the error for one fault."""
        return cls([Fault(path, message)])


class MalformedRequest(InvalidInput):
    """The body is not a JSON object."""

    def __init__(self, message: str) -> None:
        super().__init__([Fault((), message)])


class Unauthenticated(DiglotError):
    """The request has no valid API key."""


class InvalidSignature(Unauthenticated):
    """A webhook of a vendor has no signature of its source, or one that is too old."""


class Forbidden(DiglotError):
    """The key is valid but lacks a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(scope)


class ScopeNotGranted(Forbidden):
    """The key lacks a scope that it would give to another key, or take from it."""


class CrossSiteWrite(DiglotError):
    """A write in a session does not prove that the console sent it; the message says how to prove it."""


class NotFound(DiglotError):
    """The object does not exist in the caller's workspace."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(resource)


class Conflict(DiglotError):
    """An object with the same natural key exists already."""

    def __init__(self, resource: str, message: str) -> None:
        self.resource = resource
        super().__init__(message)


class InUse(Conflict):
    """Rules name the object, and the caller wants to keep it then; the message says whose rules."""


class LimitReached(DiglotError):
    """The workspace has as many rows of a kind as it may have, or `more` would exceed the limit."""

    def __init__(self, kind: str, limit: int, current: int, more: int = 1) -> None:
        self.kind, self.limit, self.current, self.more = kind, limit, current, more
        asked = f", and this request adds {more:,}" if more > 1 else ""
        super().__init__(f"A workspace has at most {limit:,} {kind}; this one has {current:,}{asked}")


class IdempotencyKeyReused(DiglotError):
    """The idempotency key was used for a different request before."""


class TooManyRequests(DiglotError):
    """The key exceeded a rate limit; `retry_after` is how many seconds it has to wait."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"wait {retry_after} s")


class MethodNotAllowed(DiglotError):
    """The path exists but not with this method; `allowed_methods` are the methods that it has."""

    def __init__(self, allow: Iterable[str]) -> None:
        self.allowed_methods = tuple(allow)
        super().__init__(", ".join(self.allowed_methods))


class UnsupportedMediaType(DiglotError):
    """The call does not read this media type; `media_types` are those that it reads."""

    def __init__(self, media: Iterable[str]) -> None:
        self.media_types = tuple(media)
        super().__init__(", ".join(self.media_types))


class ContentTooLarge(DiglotError):
    """The body exceeds the limit of the call, in bytes or contacts as `unit` says."""

    def __init__(self, limit: int, unit: str = "bytes") -> None:
        self.limit = limit
        self.unit = unit
        super().__init__(f"more than {limit} {unit}")


class RequestTimeout(DiglotError):
    """The client takes too long to send the body."""


class UpstreamUnreachable(DiglotError):
    """The upstream did not answer; `timed_out` tells whether that is because of the timeout."""

    def __init__(self, *, timed_out: bool) -> None:
        self.timed_out = timed_out
        super().__init__("timeout" if timed_out else "failure")


class Unavailable(DiglotError):
    """The database cannot serve the request now; `retry_after` is how many seconds the client should wait.

    `kind` names the failure in metrics and in the log, `answer` tells it to clients. The message is for the
    operator: it may name files, hosts and settings, so clients never see it.
    """

    kind: ClassVar[str] = "unavailable"
    answer: ClassVar[str] = "The database is not available: retry later"
    retry_after: int = 5


class DatabaseAway(Unavailable):
    """The database does not answer, or refuses connections."""

    kind = "away"


class DatabaseBusy(Unavailable):
    """No connection became free in time, or another transaction held a lock too long."""

    kind = "busy"
    answer = "The server is busy: retry in a moment"
    retry_after = 2


class DatabaseReadOnly(Unavailable):
    """The database accepts reads but no writes."""

    kind = "read_only"
    answer = "The database accepts no writes at the moment: retry later"
    retry_after = 10


class DatabaseDamaged(Unavailable):
    """The file of the database is damaged, or was replaced or deleted while the server used it."""

    kind = "damaged"
    retry_after = 60


class DeadlineExceeded(Unavailable):
    """A read took longer than a read may."""

    kind = "deadline"
    answer = "The request takes too long: retry later, or ask for less"
    retry_after = 10


class StorageFull(Unavailable):
    """The disk of the database is full."""

    kind = "full"
    answer = "The disk of the server is full: retry later"
    retry_after = 60


class Misconfigured(DiglotError):
    """A setting is unusable; the message is one line for the operator."""


class ServerBusy(Unavailable):
    """The server holds as many unread answers, or forwarded exchanges, as it may."""

    kind = "overload"
    answer = "The server is busy: retry in a moment"
    retry_after = 2
