"""Workspaces and keys: who asks, and what they may."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from diglot.errors import Invalid


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant: its number, its name, its IANA time zone."""

    number: int
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: never the secret itself. Instants in microseconds."""

    id: str
    workspace: int
    dialect: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None
    name: str | None = None
    account: str | None = None
    expires_at: int | None = None
    last_used_at: int | None = None

    def is_valid_at(self, now: int) -> bool:
        """Tell whether the key opens anything: it is neither revoked nor past its end."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What a new key is given beside its scopes: a name, a sending account, an end (microseconds)."""

    name: str | None = None
    account: str | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks: the holder of a key, or a person signed in. `key` is what requests are counted by."""

    workspace: int
    zone: ZoneInfo
    key: str
    scopes: frozenset[str]
    signed_in: bool = False


def parse_time_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raise `Invalid`."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid.at(("time_zone",), f"unknown time zone {name!r}: use an IANA name") from error
    if name not in available_timezones():
        raise Invalid.at(("time_zone",), f"unknown time zone {name!r}: use an IANA name")
    return zone
