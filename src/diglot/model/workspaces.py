"""Workspaces, API keys and callers."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from diglot.errors import InvalidInput


class Workspace(msgspec.Struct, frozen=True):
    """A tenant: number, name and IANA time zone."""

    number: int
    name: str
    time_zone: str


class ApiKey(msgspec.Struct, frozen=True):
    """A stored API key without its secret. Instants are in microseconds."""

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
        """Tell whether the key is valid: neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class KeyOptions(msgspec.Struct, frozen=True):
    """Options of a new key besides its scopes: a name, a sending account, an expiry (microseconds)."""

    name: str | None = None
    account: str | None = None
    expires_at: int | None = None


class Caller(msgspec.Struct, frozen=True):
    """The caller: the holder of an API key, or a person signed in. Requests are counted by `key`."""

    workspace: int
    zone: ZoneInfo
    key: str
    scopes: frozenset[str]
    signed_in: bool = False


class Session(msgspec.Struct, frozen=True):
    """A stored session of a person who is signed in to a workspace.

    `digest` is computed from its secret, which is not stored. Instants in microseconds.
    """

    digest: str
    workspace: Workspace
    created_at: int
    expires_at: int


def parse_time_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raise `InvalidInput` if it does not exist."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput.at(("time_zone",), f"unknown time zone {name!r}: use an IANA name") from error
    if name not in available_timezones():
        raise InvalidInput.at(("time_zone",), f"unknown time zone {name!r}: use an IANA name")
    return zone


class WorkspaceLimits(msgspec.Struct, frozen=True):
    """The largest number of rows of each kind in one workspace; 0 for no limit.

    Each limited kind costs others something: segments and rules are compiled and evaluated by every write of
    contacts, static lists are read by it, webhooks multiply its deliveries, and each key has an allowance of
    requests. `rules` counts the rules of all segments, including those behind dynamic lists; `keys` counts
    the keys that still work.
    """

    segments: int = 10_000
    rules: int = 100_000
    lists: int = 10_000
    keys: int = 100
    webhooks: int = 100
    contacts: int = 0


DEFAULT_LIMITS = WorkspaceLimits()
NO_LIMITS = WorkspaceLimits(segments=0, rules=0, lists=0, keys=0, webhooks=0)
