"""API key calls of clients: the keys of the caller's workspace in the caller's dialect."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from diglot.clock import Clock
from diglot.errors import NotFound, ScopeNotGranted, Unauthenticated
from diglot.model.workspaces import DEFAULT_LIMITS, ApiKey, Caller, KeyOptions, WorkspaceLimits
from diglot.service.access.keys import KeyFormat, Keys
from diglot.service.limits import require_room
from diglot.service.unit_of_work import reads, writes
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

_SCOPE_SEPARATOR: Final = ":"


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """Key calls of clients. No key creates or revokes a key with more scopes, or one that outlives it.

    A workspace has a limit of valid keys, because each has an allowance of requests of its own. Of the keys
    that have ended it keeps as many, those that ended last. The operator's commands have no limit.
    """

    engine: Engine
    keys: Keys
    limits: WorkspaceLimits = DEFAULT_LIMITS

    @property
    def clock(self) -> Clock:
        """The clock that decides when keys expire."""
        return self.keys.clock

    async def list_all(self, caller: Caller, key_format: KeyFormat) -> list[ApiKey]:
        """Return the keys, newest first, including expired and revoked ones."""
        return [self._with_last_use(key) for key in await self._load_all(caller, key_format)]

    @reads
    async def _load_all(self, tenant: Tenant, key_format: KeyFormat) -> list[ApiKey]:
        return await keys.list_of_dialect(tenant, key_format.dialect)

    async def get(self, caller: Caller, key_format: KeyFormat, key: str | None) -> ApiKey:
        """Return a key; raise `NotFound`."""
        return self._with_last_use(await self._load(caller, key_format, key))

    @reads
    async def _load(self, tenant: Tenant, key_format: KeyFormat, key: str | None) -> ApiKey:
        return await _require_own_key(tenant, key_format, key)

    async def create(
        self, caller: Caller, key_format: KeyFormat, scopes: tuple[str, ...], options: KeyOptions
    ) -> tuple[str, ApiKey]:
        """Create a key and return it with its secret; without scopes it gets those of the calling key.

        It expires no later than the calling key and is tied to the same account, if there is one. Raise
        `ScopeNotGranted` for a scope that the caller does not have, or `LimitReached`.
        """
        secret = key_format.generate_secret()
        return secret, await self._insert_key(caller, caller, key_format, secret, scopes, options)

    @writes
    async def _insert_key(  # noqa: PLR0913, PLR0917 - one row, as requested
        self,
        unit: WriteUnit,
        caller: Caller,
        key_format: KeyFormat,
        secret: str,
        scopes: tuple[str, ...],
        options: KeyOptions,
    ) -> ApiKey:
        key_scopes, key_options = scopes or key_format.default_scopes, options
        if not caller.signed_in:
            calling_key = await keys.find_by_id(unit.transaction, caller.key)
            # The calling key may have been revoked since the request began.
            if calling_key is None or not calling_key.is_valid_at(unit.now):
                raise Unauthenticated
            key_scopes, key_options = scopes or calling_key.scopes, _restrict_options(options, calling_key)
        _require_scopes(key_scopes, caller.scopes)
        if self.limits.keys:
            require_room("valid API keys", self.limits.keys, await keys.count_valid(unit, unit.now))
            await keys.delete_oldest_ended(unit, unit.now, self.limits.keys)
        minted = key_format.mint(secret, caller.workspace, key_scopes, key_options, unit.now)
        await keys.insert_key(unit, minted.key, minted.lookup_prefix, minted.digest)
        return minted.key

    async def revoke(self, caller: Caller, key_format: KeyFormat, key: str | None) -> None:
        """Revoke a key, even the calling one; revoking it again changes nothing.

        Raise `NotFound`, or `ScopeNotGranted` for a key with more scopes than the caller.
        """
        await self._mark_revoked(caller, caller, key_format, key)
        # Clear after the commit, because a request before it would cache the key as still valid.
        self.keys.clear_cache()

    @writes
    async def _mark_revoked(
        self, unit: WriteUnit, caller: Caller, key_format: KeyFormat, key: str | None
    ) -> None:
        stored = await _require_own_key(unit, key_format, key)
        _require_scopes(stored.scopes, caller.scopes)
        await keys.revoke(unit.transaction, stored.id, unit.now)

    def _with_last_use(self, key: ApiKey) -> ApiKey:
        return replace(key, last_used_at=self.keys.last_use(key))


async def _require_own_key(tenant: Tenant, key_format: KeyFormat, key: str | None) -> ApiKey:
    stored = None if key is None else await keys.find_by_id(tenant.transaction, key)
    if stored is None or (stored.workspace, stored.dialect) != (tenant.workspace, key_format.dialect):
        raise NotFound("key")
    return stored


def _require_scopes(required: Iterable[str], granted: frozenset[str]) -> None:
    """Raise `ScopeNotGranted` for a scope that is neither granted nor part of one (`a` grants `a:b`)."""
    for scope in required:
        if scope not in granted and scope.partition(_SCOPE_SEPARATOR)[0] not in granted:
            raise ScopeNotGranted(scope)


def _restrict_options(options: KeyOptions, calling_key: ApiKey) -> KeyOptions:
    expiries = [expiry for expiry in (options.expires_at, calling_key.expires_at) if expiry is not None]
    return replace(
        options, account=calling_key.account or options.account, expires_at=min(expiries, default=None)
    )
