"""API keys: created or imported by the operator, stored as a digest, compared in constant time."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.caches import LoopMemo
from diglot.clock import Clock, system_clock
from diglot.conditions.dates import ParsedDate
from diglot.conditions.text import is_blank
from diglot.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from diglot.model.ids import new_id
from diglot.model.workspaces import ApiKey, Caller, KeyOptions, Workspace
from diglot.service.access.key_usage import KeyUsage
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.storage import workspaces
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine, Row, Transaction
from diglot.storage.tenant import Tenant

LOOKUP_PREFIX_LENGTH: Final = 16
DISPLAYED_CHARACTERS: Final = 8
# How long a key is cached, if reading the database is a network round trip.
CACHE_SECONDS: Final = 1.0
MAX_CACHED_KEYS: Final = 10_000
# The bytes of a known key with all that is made of it.
_BYTES_OF_A_KEY: Final = 2_000


class _KnownKey:
    """A key as its row says, and its caller; without a row there is no such key.

    `mark` is what was committed when the row was read, as `Engine.commit_mark` tells. `read_at` is the time
    before it was read, because the key may be revoked while it is read.
    """

    __slots__ = ("caller", "mark", "read_at", "record", "row")
    weight = _BYTES_OF_A_KEY

    def __init__(self, row: Row | None) -> None:
        self.row = row
        self.record = record = None if row is None else keys.record_of(row)
        self.caller = None if record is None else _caller_of(record)
        self.mark: object | None = None
        self.read_at = 0.0


def _caller_of(record: keys.KeyRecord) -> Caller:
    return Caller(record.workspace, ZoneInfo(record.time_zone), record.id, frozenset(record.scopes))


MAX_KEY_LENGTH: Final = 256
MAX_NAME_LENGTH: Final = 80


def _hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class MintedKey(msgspec.Struct, frozen=True):
    """A new key, with the lookup prefix and the digest of its secret."""

    key: ApiKey
    lookup_prefix: str
    digest: str


class KeyFormat(msgspec.Struct, frozen=True):
    """The form of the keys of a dialect, and its scopes."""

    dialect: str
    default_prefix: str
    prefixes: tuple[str, ...]
    matches: Callable[[str], bool]
    scopes: tuple[str, ...]
    default_scopes: tuple[str, ...]

    def generate_secret(self, prefix: str | None = None) -> str:
        """Return a new secret: a prefix and 256 random bits in hexadecimal digits."""
        return (prefix or self.default_prefix) + secrets.token_hex(32)

    def display_prefix(self, secret: str) -> str:
        """Return the part of a secret that may be displayed: its prefix and eight characters."""
        prefix = next(prefix for prefix in self.prefixes if secret.startswith(prefix))
        return secret[: len(prefix) + DISPLAYED_CHARACTERS] if len(secret) >= len(prefix) + 24 else prefix

    def mint(
        self, secret: str, workspace: int, scopes: tuple[str, ...], options: KeyOptions, now: int
    ) -> MintedKey:
        """Build the key of a secret, not stored yet."""
        digest = _hash_secret(secret)
        given = (options.name, options.account, options.expires_at)
        key = ApiKey(
            new_id(), workspace, self.dialect, self.display_prefix(secret), scopes, now, None, *given
        )
        return MintedKey(key, digest[:LOOKUP_PREFIX_LENGTH], digest)

    def check_secret(self, secret: str) -> str:
        """Return a secret to import; raise `InvalidInput` if it does not have the dialect's form."""
        if len(secret) > MAX_KEY_LENGTH or not self.matches(secret):
            begins = " or ".join(self.prefixes)
            raise InvalidInput.at(("key",), f"not a {self.dialect} key: it begins with {begins}")
        return secret

    def check_scopes(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scopes, or the default ones; raise `InvalidInput` for an unknown scope."""
        for scope in scopes:
            if scope not in self.scopes:
                known = ", ".join(self.scopes)
                raise InvalidInput.at(
                    ("scopes",), f"unknown {self.dialect} scope {scope!r}: choose of {known}"
                )
        return scopes or self.default_scopes


def check_name(name: str | None) -> str | None:
    """Return the name of a new key; raise `InvalidInput`."""
    if name is not None and (is_blank(name) or len(name) > MAX_NAME_LENGTH or not name.isprintable()):
        raise InvalidInput.at(("name",), f"a key's name has 1 to {MAX_NAME_LENGTH} printable characters")
    return name


def resolve_expiry(ends: ParsedDate | None, workspace: Workspace, now: int) -> int | None:
    """Return the instant at which a new key expires, or None; raise `InvalidInput` if it has passed."""
    end = None if ends is None else ends.to_instant(ZoneInfo(workspace.time_zone))
    if end is not None and end <= now:
        raise InvalidInput.at(("expires_at",), "the end of a key lies in the future")
    return end


@dataclass(slots=True)
class Keys:
    """The operator's calls on keys, and the authentication of every request.

    A server records uses in `usage`; a command has none, because it serves no requests.
    """

    engine: Engine
    clock: Clock = system_clock
    usage: KeyUsage | None = None
    # Unknown keys are remembered, too.
    _known: LoopMemo[str, _KnownKey] = field(
        default_factory=lambda: LoopMemo[str, _KnownKey](MAX_CACHED_KEYS * _BYTES_OF_A_KEY)
    )

    async def create(  # noqa: PLR0913 - one row, each part optional
        self,
        key_format: KeyFormat,
        workspace: str,
        scopes: tuple[str, ...] = (),
        *,
        time_zone: str | None = None,
        secret: str | None = None,
        name: str | None = None,
        expires_at: ParsedDate | None = None,
    ) -> str:
        """Create a key, or import `secret`, and return it; create the workspace if it is new.

        An expiry without a time is the beginning of that day in the workspace. Raise `InvalidInput` for a
        secret not of the dialect's form or an end that has passed, `Conflict` for a secret that exists.
        """
        scopes = key_format.check_scopes(scopes)
        key_secret = key_format.generate_secret() if secret is None else key_format.check_secret(secret)

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            owner = await get_or_create_workspace(transaction, workspace, time_zone, now)
            options = KeyOptions(check_name(name), None, resolve_expiry(expires_at, owner, now))
            minted = key_format.mint(key_secret, owner.number, scopes, options, now)
            await _insert_new_key(Tenant(transaction, owner.number), minted)

        await self.engine.write(work)
        return key_secret

    async def list_all(self, workspace: str | None = None) -> list[tuple[Workspace, ApiKey]]:
        """Return the keys of one workspace or of all; raise `NotFound`."""
        return await self.engine.read(partial(_list_keys, name=workspace))

    async def revoke(self, key: str) -> None:
        """Revoke a key by its id or by the key itself; raise `NotFound`."""
        await self.engine.write(partial(_revoke_key, key=key, clock=self.clock))

    async def authenticate(self, dialect: str, secret: str | None) -> Caller:
        """Return the caller of a key of this dialect; raise `Unauthenticated`."""
        if not secret or len(secret) > MAX_KEY_LENGTH:
            raise Unauthenticated
        digest = _hash_secret(secret)
        known = await self._find_key(digest[:LOOKUP_PREFIX_LENGTH])
        record, caller = known.record, known.caller
        if record is None or caller is None:
            raise Unauthenticated
        matches = hmac.compare_digest(record.digest, digest)
        if not matches or record.is_revoked or record.dialect != dialect:
            raise Unauthenticated
        now = self.clock()
        if record.expires_at is not None and record.expires_at <= now:
            raise Unauthenticated
        if self.usage is not None:
            self.usage.record_use(record.id, now)
        return caller

    def last_use(self, key: ApiKey) -> int | None:
        """Return when a key was last used, including uses that this process has not written yet."""
        return key.last_used_at if self.usage is None else self.usage.latest_use(key.id, key.last_used_at)

    def clear_cache(self) -> None:
        """Evict the cached keys, so that a revoked key stops working in this process immediately."""
        self._known.clear()

    async def _find_key(self, lookup_prefix: str) -> _KnownKey:
        """Return the key with a digest that begins like this, as it is remembered or as it is read now."""
        mark, read_at = self.engine.commit_mark(), time.monotonic()
        known = self._known.get(lookup_prefix)
        if known is not None and self._is_current(known, mark, read_at):
            return known
        row = await keys.fetch_row(self.engine, lookup_prefix)
        if known is None or known.row != row:
            known = _KnownKey(row)
            self._known.put(lookup_prefix, known)
        known.mark, known.read_at = mark, read_at
        return known

    def _is_current(self, known: _KnownKey, mark: object | None, now: float) -> bool:
        """Tell whether a key was read after the last commit, or a moment ago where that is not known."""
        if self.engine.point_reads_are_local:
            return known.mark == mark is not None
        return now < known.read_at + CACHE_SECONDS


async def _insert_new_key(tenant: Tenant, minted: MintedKey) -> None:
    if await keys.find_by_lookup_prefix(tenant.transaction, minted.lookup_prefix) is not None:
        raise Conflict("key", "this key exists already")
    await keys.insert_key(tenant, minted.key, minted.lookup_prefix, minted.digest)


async def _list_keys(transaction: Transaction, name: str | None) -> list[tuple[Workspace, ApiKey]]:
    owners = [row for row in await workspaces.list_all(transaction) if name in (None, row.name)]
    if name is not None and not owners:
        raise NotFound(f"workspace {name}")
    return [
        (owner, key)
        for owner in owners
        for key in await keys.list_of_workspace(Tenant(transaction, owner.number))
    ]


async def _revoke_key(transaction: Transaction, key: str, clock: Clock) -> None:
    record = await keys.find_by_lookup_prefix(transaction, _hash_secret(key)[:LOOKUP_PREFIX_LENGTH])
    id_ = key if record is None else record.id
    if await keys.find_by_id(transaction, id_) is None:
        raise NotFound("key")
    await keys.revoke(transaction, id_, clock())
