"""The closed family of domain errors.

    DiglotError
    |-- InvalidInput            the input has faults: a list, each with its path
    |   `-- MalformedRequest    the body is not the JSON object that the call needs (no path)
    |-- Unauthenticated         no key, or a key that is unknown or revoked
    |-- Forbidden               the key lacks a scope
    |   `-- ScopeNotGranted     the key lacks a scope that it tries to give to another key
    |-- CrossSiteWrite          another site may have sent this write with a cookie of ours
    |-- NotFound                the workspace has no such object
    |-- Conflict                the object exists already
    |-- IdempotencyKeyReused    the idempotency key belongs to a different request
    |-- TooManyRequests         the key has to wait before its next request
    |-- MethodNotAllowed        the path exists, the method does not
    |-- UnsupportedMediaType    the body has another media type
    |-- ContentTooLarge         the body exceeds a limit
    |-- RequestTimeout          the body does not arrive in time
    |-- UpstreamUnreachable     the upstream of a dialect did not answer, or timed out
    `-- Misconfigured           a setting or a database that stops the start

Nothing here knows HTTP: each dialect has a table from these classes to its own answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of an input: where it is (keys and indexes in the caller's words) and what is wrong."""

    path: Path
    message: str


class DiglotError(Exception):
    """The root of every error that Diglot raises on purpose."""


class InvalidInput(DiglotError):
    """The input has one or more faults, in the order of the document."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, f.path))}: {f.message}" for f in self.faults))

    @classmethod
    def at(cls, path: Path, message: str) -> "InvalidInput":
        """One fault at one place."""
        return cls([Fault(path, message)])


class MalformedRequest(InvalidInput):
    """The body is not a JSON object at all."""

    def __init__(self, message: str) -> None:
        super().__init__([Fault((), message)])


class Unauthenticated(DiglotError):
    """The request carries no key that is known and not revoked."""


class Forbidden(DiglotError):
    """The key is known but lacks a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(scope)


class ScopeNotGranted(Forbidden):
    """The key would give, or take from another, a scope that it lacks."""


class CrossSiteWrite(DiglotError):
    """A write in a session does not show that the console sent it; the text says how it would."""


class NotFound(DiglotError):
    """The thing does not exist in the caller's workspace."""

    def __init__(self, thing: str) -> None:
        self.resource = thing
        super().__init__(thing)


class Conflict(DiglotError):
    """A thing with the same natural key exists already."""

    def __init__(self, thing: str, message: str) -> None:
        self.resource = thing
        super().__init__(message)


class IdempotencyKeyReused(DiglotError):
    """The name that the client gave this request stands for another one already."""


class TooManyRequests(DiglotError):
    """The key asks too often; `seconds` is how long it has to wait."""

    def __init__(self, seconds: int) -> None:
        self.retry_after = seconds
        super().__init__(f"wait {seconds} s")


class MethodNotAllowed(DiglotError):
    """The path exists but not with this method; `allow` names those it has."""

    def __init__(self, allow: Iterable[str]) -> None:
        self.allowed_methods = tuple(allow)
        super().__init__(", ".join(self.allowed_methods))


class UnsupportedMediaType(DiglotError):
    """The body is of a media type that the call does not read; `media` are those it does."""

    def __init__(self, media: Iterable[str]) -> None:
        self.media_types = tuple(media)
        super().__init__(", ".join(self.media_types))


class ContentTooLarge(DiglotError):
    """The body passes the limit of the call; `limit` is in bytes or in contacts, as `unit` says."""

    def __init__(self, limit: int, unit: str = "bytes") -> None:
        self.limit = limit
        self.unit = unit
        super().__init__(f"more than {limit} {unit}")


class RequestTimeout(DiglotError):
    """The client takes longer to send the body than it has."""


class UpstreamUnreachable(DiglotError):
    """The upstream gave no answer; `late` when its time ran out."""

    def __init__(self, *, timed_out: bool) -> None:
        self.timed_out = timed_out
        super().__init__("timeout" if timed_out else "failure")


class Misconfigured(DiglotError):
    """A setting is unusable; the text is one line for the operator."""
