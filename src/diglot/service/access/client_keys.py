"""The keys of the caller's workspace, in the caller's dialect: what a client may do with them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from diglot.errors import NotFound, Unauthenticated, Ungranted
from diglot.model.workspaces import Caller, Key, Terms
from diglot.service.access.keys import Keys, KeyShape
from diglot.storage import workspaces
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine, Transaction

_PART: Final = ":"


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The calls on keys: none makes or revokes one that may do more, nor makes one that outlives it."""

    engine: Engine
    keys: Keys

    async def every(self, caller: Caller, shape: KeyShape) -> list[Key]:
        """Return the keys, newest first, those that work no more included."""

        async def work(transaction: Transaction) -> list[Key]:
            return await keys.of_dialect(transaction, caller.workspace, shape.dialect)

        return [self._shown(key) for key in await self.engine.read(work)]

    async def get(self, caller: Caller, shape: KeyShape, key: str | None) -> Key:
        """Return a key; raise `NotFound`."""

        async def work(transaction: Transaction) -> Key:
            return await _own(transaction, caller, shape, key)

        return self._shown(await self.engine.read(work))

    async def create(
        self, caller: Caller, shape: KeyShape, scopes: tuple[str, ...], terms: Terms
    ) -> tuple[str, Key]:
        """Make a key and return it with its secret; without scopes it has those of the key that asks.

        It ends no later than the key that asks, and is tied to the same account, if that is tied to one.
        Raise `Ungranted` for a scope that whoever asks does not have.
        """
        secret = shape.new_secret()

        async def work(transaction: Transaction) -> Key:
            await workspaces.lock(transaction, caller.workspace, moves=False)
            held, granted = scopes or shape.default_scopes, terms
            if not caller.signed_in:
                maker = await keys.by_id(transaction, caller.key)
                # It may have been revoked since the request began.
                if maker is None or not maker.works(self.keys.clock()):
                    raise Unauthenticated
                held, granted = scopes or maker.scopes, _within(terms, maker)
            _refuse_more(held, caller.scopes)
            minted = shape.mint(secret, caller.workspace, held, granted, self.keys.clock())
            await keys.insert_key(transaction, minted.key, minted.handle, minted.digest)
            return minted.key

        return secret, await self.engine.write(work)

    async def revoke(self, caller: Caller, shape: KeyShape, key: str | None) -> None:
        """Revoke a key, the caller's own too; once more changes nothing.

        Raise `NotFound`, or `Ungranted` for a key that may do more than the one that asks.
        """

        async def work(transaction: Transaction) -> None:
            await workspaces.lock(transaction, caller.workspace, moves=False)
            found = await _own(transaction, caller, shape, key)
            _refuse_more(found.scopes, caller.scopes)
            await keys.revoke(transaction, found.id, self.keys.clock())

        await self.engine.write(work)
        self.keys.forget()

    def _shown(self, key: Key) -> Key:
        return replace(key, last_used_at=self.keys.last_use(key))


async def _own(transaction: Transaction, caller: Caller, shape: KeyShape, key: str | None) -> Key:
    found = None if key is None else await keys.by_id(transaction, key)
    if found is None or (found.workspace, found.dialect) != (caller.workspace, shape.dialect):
        raise NotFound("key")
    return found


def _refuse_more(wanted: Iterable[str], held: frozenset[str]) -> None:
    """Raise `Ungranted` for a scope that is neither held nor part of one: `a` holds `a:b`."""
    for scope in wanted:
        if scope not in held and scope.partition(_PART)[0] not in held:
            raise Ungranted(scope)


def _within(terms: Terms, maker: Key) -> Terms:
    ends = [end for end in (terms.expires_at, maker.expires_at) if end is not None]
    return replace(terms, account=maker.account or terms.account, expires_at=min(ends, default=None))
