"""Keys: made or adopted by the operator, stored as a digest, compared in constant time."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from diglot.clock import Clock, system_clock
from diglot.conditions.dates import Written
from diglot.conditions.text import is_blank
from diglot.errors import Conflict, Invalid, NotFound, Unauthenticated
from diglot.model.ids import new_id
from diglot.model.workspaces import Caller, Key, Terms, Workspace
from diglot.service.access.key_usage import KeyUses
from diglot.service.access.workspaces import get_or_create
from diglot.storage import workspaces
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine, Transaction

HANDLE_LENGTH: Final = 16
SHOWN_LENGTH: Final = 8
# How long a key may be remembered where asking the database is a round trip.
REMEMBERED_SECONDS: Final = 1.0
MOST_REMEMBERED: Final = 10_000
LONGEST_KEY: Final = 256
LONGEST_NAME: Final = 80


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key and what is kept of its secret."""

    key: Key
    handle: str
    digest: str


@dataclass(frozen=True, slots=True)
class KeyShape:
    """What a dialect's keys look like, and the scopes it knows."""

    dialect: str
    prefix: str
    prefixes: tuple[str, ...]
    is_key: Callable[[str], bool]
    scopes: tuple[str, ...]
    default_scopes: tuple[str, ...]

    def new_secret(self, prefix: str | None = None) -> str:
        """Return a fresh key: a prefix and 256 random bits in hexadecimal."""
        return (prefix or self.prefix) + secrets.token_hex(32)

    def shown(self, secret: str) -> str:
        """Return the part of a key that may be shown: its prefix and eight characters."""
        prefix = next(prefix for prefix in self.prefixes if secret.startswith(prefix))
        return secret[: len(prefix) + SHOWN_LENGTH] if len(secret) >= len(prefix) + 24 else prefix

    def mint(self, secret: str, workspace: int, scopes: tuple[str, ...], terms: Terms, now: int) -> Minted:
        """Return the key that a secret is from now on, not stored yet."""
        digest = _digest(secret)
        given = (terms.name, terms.account, terms.expires_at)
        key = Key(new_id(), workspace, self.dialect, self.shown(secret), scopes, now, None, *given)
        return Minted(key, digest[:HANDLE_LENGTH], digest)

    def check_secret(self, secret: str) -> str:
        """Return a key that somebody has already; raise `Invalid` for one not of the dialect's form."""
        if len(secret) > LONGEST_KEY or not self.is_key(secret):
            begins = " or ".join(self.prefixes)
            raise Invalid.at(("key",), f"not a {self.dialect} key: it begins with {begins}")
        return secret

    def check_scopes(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scopes, or the default ones; raise `Invalid` for one the vendor does not have."""
        for scope in scopes:
            if scope not in self.scopes:
                known = ", ".join(self.scopes)
                raise Invalid.at(("scopes",), f"unknown {self.dialect} scope {scope!r}: choose of {known}")
        return scopes or self.default_scopes


def _name(name: str | None) -> str | None:
    if name is not None and (is_blank(name) or len(name) > LONGEST_NAME or not name.isprintable()):
        raise Invalid.at(("name",), f"a key's name has 1 to {LONGEST_NAME} printable characters")
    return name


def _end(ends: Written | None, workspace: Workspace, now: int) -> int | None:
    end = None if ends is None else ends.instant(ZoneInfo(workspace.time_zone))
    if end is not None and end <= now:
        raise Invalid.at(("expires_at",), "the end of a key lies in the future")
    return end


@dataclass(slots=True)
class Keys:
    """The operator's calls on keys, and the check that every request passes.

    A server notes in `uses` when each key was last used; a command notes nothing.
    """

    engine: Engine
    clock: Clock = system_clock
    uses: KeyUses | None = None
    _remembered: dict[str, tuple[float, keys.Found | None]] = field(default_factory=dict)

    async def create(  # noqa: PLR0913 - one row, each part optional
        self,
        shape: KeyShape,
        workspace: str,
        scopes: tuple[str, ...] = (),
        *,
        time_zone: str | None = None,
        secret: str | None = None,
        name: str | None = None,
        ends: Written | None = None,
    ) -> str:
        """Make a key, or adopt `secret`, and return it; the workspace is made when it is new.

        A bare date in `ends` is the instant that the day begins in the workspace. Raise `Invalid` for a
        secret not of the dialect's form or an end that has passed, `Conflict` for a secret that exists.
        """
        scopes = shape.check_scopes(scopes)
        kept = shape.new_secret() if secret is None else shape.check_secret(secret)

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            found = await get_or_create(transaction, workspace, time_zone, now)
            terms = Terms(_name(name), None, _end(ends, found, now))
            minted = shape.mint(kept, found.number, scopes, terms, now)
            if await keys.find(transaction, minted.handle) is not None:
                raise Conflict("key", "this key exists already")
            await keys.insert_key(transaction, minted.key, minted.handle, minted.digest)

        await self.engine.write(work)
        return kept

    async def every(self, workspace: str | None = None) -> list[tuple[Workspace, Key]]:
        """Return the keys of one workspace or of all; raise `NotFound`."""

        async def work(transaction: Transaction) -> list[tuple[Workspace, Key]]:
            found = [one for one in await workspaces.every(transaction) if workspace in (None, one.name)]
            if workspace is not None and not found:
                raise NotFound(f"workspace {workspace}")
            return [(one, key) for one in found for key in await keys.of_workspace(transaction, one.number)]

        return await self.engine.read(work)

    async def revoke(self, key: str) -> None:
        """Revoke a key by its id or by the key itself; raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            found = await keys.find(transaction, _digest(key)[:HANDLE_LENGTH])
            id_ = key if found is None else found.id
            if await keys.by_id(transaction, id_) is None:
                raise NotFound("key")
            await keys.revoke(transaction, id_, self.clock())

        await self.engine.write(work)

    async def authenticate(self, dialect: str, secret: str | None) -> Caller:
        """Return whoever holds a key of this dialect; raise `Unauthenticated`."""
        if not secret or len(secret) > LONGEST_KEY:
            raise Unauthenticated
        digest = _digest(secret)
        found = await self._find(digest[:HANDLE_LENGTH])
        known = found is not None and hmac.compare_digest(found.digest, digest)
        if found is None or not known or found.revoked or found.dialect != dialect:
            raise Unauthenticated
        now = self.clock()
        if found.expires_at is not None and found.expires_at <= now:
            raise Unauthenticated
        if self.uses is not None:
            self.uses.note(found.id, now)
        return Caller(found.workspace, ZoneInfo(found.time_zone), found.id, frozenset(found.scopes))

    def last_use(self, key: Key) -> int | None:
        """Return when a key was last used, as far as this process knows."""
        return key.last_used_at if self.uses is None else self.uses.latest(key.id, key.last_used_at)

    def forget(self) -> None:
        """Forget the keys remembered: what was revoked here stops here at once."""
        self._remembered.clear()

    async def _find(self, handle: str) -> keys.Found | None:
        if self.engine.glance_is_cheap:
            return await self.engine.glance(lambda transaction: keys.find(transaction, handle))
        now = time.monotonic()
        remembered = self._remembered.get(handle)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        found = await self.engine.glance(lambda transaction: keys.find(transaction, handle))
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[handle] = (now + REMEMBERED_SECONDS, found)
        return found
