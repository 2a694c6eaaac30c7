"""The closed family of domain errors.

    DiglotError
    |-- Invalid            the caller's input is at fault: a list of faults, each with its path
    |   `-- Malformed      the body is not the JSON object it has to be (no path)
    |-- Unauthenticated    no key, or a key that is unknown or revoked
    |-- Forbidden          the key lacks a scope
    |   `-- Ungranted      a scope that it would give to another key
    |-- CrossSite          another site may have sent this write, with a cookie of ours
    |-- NotFound           no such thing in the caller's workspace
    |-- Conflict           the thing exists already
    |-- Reused             the name of a request stands for another request already
    |-- TooMany            the key has to wait before it asks again
    |-- NotAllowed         the path exists, the method does not
    |-- Unsupported        the body is of another media type
    |-- TooLarge           the body passes a limit
    |-- TooSlow            the body does not arrive in time
    |-- Unreachable        the upstream of a dialect gave no answer, or none in time
    `-- Misconfigured      a setting or a database that stops the start

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


class Invalid(DiglotError):
    """The input has one or more faults, in the order of the document."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, f.path))}: {f.message}" for f in self.faults))

    @classmethod
    def at(cls, path: Path, message: str) -> "Invalid":
        """One fault at one place."""
        return cls([Fault(path, message)])


class Malformed(Invalid):
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


class Ungranted(Forbidden):
    """The key would give, or take from another, a scope that it lacks."""


class CrossSite(DiglotError):
    """A write in a session does not show that the console sent it; the text says how it would."""


class NotFound(DiglotError):
    """The thing does not exist in the caller's workspace."""

    def __init__(self, thing: str) -> None:
        self.thing = thing
        super().__init__(thing)


class Conflict(DiglotError):
    """A thing with the same natural key exists already."""

    def __init__(self, thing: str, message: str) -> None:
        self.thing = thing
        super().__init__(message)


class Reused(DiglotError):
    """The name that the client gave this request stands for another one already."""


class TooMany(DiglotError):
    """The key asks too often; `seconds` is how long it has to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"wait {seconds} s")


class NotAllowed(DiglotError):
    """The path exists but not with this method; `allow` names those it has."""

    def __init__(self, allow: Iterable[str]) -> None:
        self.allow = tuple(allow)
        super().__init__(", ".join(self.allow))


class Unsupported(DiglotError):
    """The body is of a media type that the call does not read; `media` are those it does."""

    def __init__(self, media: Iterable[str]) -> None:
        self.media = tuple(media)
        super().__init__(", ".join(self.media))


class TooLarge(DiglotError):
    """The body passes the limit of the call; `limit` is in bytes or in contacts, as `unit` says."""

    def __init__(self, limit: int, unit: str = "bytes") -> None:
        self.limit = limit
        self.unit = unit
        super().__init__(f"more than {limit} {unit}")


class TooSlow(DiglotError):
    """The client takes longer to send the body than it has."""


class Unreachable(DiglotError):
    """The upstream gave no answer; `late` when its time ran out."""

    def __init__(self, *, late: bool) -> None:
        self.late = late
        super().__init__("timeout" if late else "failure")


class Misconfigured(DiglotError):
    """A setting is unusable; the text is one line for the operator."""
