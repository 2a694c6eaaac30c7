"""The keys of the caller's workspace, in the caller's dialect: what a client may do with them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from diglot.errors import NotFound, Unauthenticated, Ungranted
from diglot.model.workspaces import ApiKey, Caller, KeyOptions
from diglot.service.access.keys import KeyFormat, Keys
from diglot.storage import workspaces
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine, Transaction

_SCOPE_SEPARATOR: Final = ":"


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The calls on keys: none makes or revokes one that may do more, nor makes one that outlives it."""

    engine: Engine
    keys: Keys

    async def list_all(self, caller: Caller, shape: KeyFormat) -> list[ApiKey]:
        """Return the keys, newest first, those that work no more included."""

        async def work(transaction: Transaction) -> list[ApiKey]:
            return await keys.list_of_dialect(transaction, caller.workspace, shape.dialect)

        return [self._with_last_use(key) for key in await self.engine.read(work)]

    async def get(self, caller: Caller, shape: KeyFormat, key: str | None) -> ApiKey:
        """Return a key; raise `NotFound`."""

        async def work(transaction: Transaction) -> ApiKey:
            return await _require_own_key(transaction, caller, shape, key)

        return self._with_last_use(await self.engine.read(work))

    async def create(
        self, caller: Caller, shape: KeyFormat, scopes: tuple[str, ...], terms: KeyOptions
    ) -> tuple[str, ApiKey]:
        """Make a key and return it with its secret; without scopes it has those of the key that asks.

        It ends no later than the key that asks, and is tied to the same account, if that is tied to one.
        Raise `Ungranted` for a scope that whoever asks does not have.
        """
        secret = shape.generate_secret()

        async def work(transaction: Transaction) -> ApiKey:
            await workspaces.lock(transaction, caller.workspace, moves_members=False)
            held, granted = scopes or shape.default_scopes, terms
            if not caller.signed_in:
                maker = await keys.find_by_id(transaction, caller.key)
                # It may have been revoked since the request began.
                if maker is None or not maker.is_valid_at(self.keys.clock()):
                    raise Unauthenticated
                held, granted = scopes or maker.scopes, _restrict_options(terms, maker)
            _require_scopes(held, caller.scopes)
            minted = shape.mint(secret, caller.workspace, held, granted, self.keys.clock())
            await keys.insert_key(transaction, minted.key, minted.lookup_prefix, minted.digest)
            return minted.key

        return secret, await self.engine.write(work)

    async def revoke(self, caller: Caller, shape: KeyFormat, key: str | None) -> None:
        """Revoke a key, the caller's own too; once more changes nothing.

        Raise `NotFound`, or `Ungranted` for a key that may do more than the one that asks.
        """

        async def work(transaction: Transaction) -> None:
            await workspaces.lock(transaction, caller.workspace, moves_members=False)
            found = await _require_own_key(transaction, caller, shape, key)
            _require_scopes(found.scopes, caller.scopes)
            await keys.revoke(transaction, found.id, self.keys.clock())

        await self.engine.write(work)
        self.keys.clear_cache()

    def _with_last_use(self, key: ApiKey) -> ApiKey:
        return replace(key, last_used_at=self.keys.last_use(key))


async def _require_own_key(
    transaction: Transaction, caller: Caller, shape: KeyFormat, key: str | None
) -> ApiKey:
    found = None if key is None else await keys.find_by_id(transaction, key)
    if found is None or (found.workspace, found.dialect) != (caller.workspace, shape.dialect):
        raise NotFound("key")
    return found


def _require_scopes(wanted: Iterable[str], held: frozenset[str]) -> None:
    """Raise `Ungranted` for a scope that is neither held nor part of one: `a` holds `a:b`."""
    for scope in wanted:
        if scope not in held and scope.partition(_SCOPE_SEPARATOR)[0] not in held:
            raise Ungranted(scope)


def _restrict_options(terms: KeyOptions, maker: ApiKey) -> KeyOptions:
    ends = [end for end in (terms.expires_at, maker.expires_at) if end is not None]
    return replace(terms, account=maker.account or terms.account, expires_at=min(ends, default=None))
