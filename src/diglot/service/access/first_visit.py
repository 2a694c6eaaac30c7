"""The first visit of a new server: a person creates the first workspace in a browser.

Behind a proxy every visitor comes from the same address, so an address proves nothing. The server prints a
random token when it starts, and it works only as long as there is no workspace.
"""

import asyncio
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import Conflict, Unauthenticated
from diglot.model.workspaces import KeyOptions
from diglot.service.access.keys import KeyFormat
from diglot.service.access.passwords import check_new_password, hash_password
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.storage import workspaces
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace

_TOKEN_BYTES = 18


def create_token() -> str:
    """Return a new token."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class NewServer(msgspec.Struct, frozen=True):
    """The first workspace of a server: its name, its IANA time zone, and a password for it."""

    workspace: str
    time_zone: str
    password: str


@dataclass(frozen=True, slots=True)
class FirstVisit:
    """The use case of the first visit; `token` is None for a server that has printed none."""

    engine: Engine
    clock: Clock = system_clock
    token: str | None = None

    async def is_open(self) -> bool:
        """Tell whether the server has no workspace yet, and has printed a token."""
        return self.token is not None and await self.is_new()

    async def is_new(self) -> bool:
        """Tell whether the server has no workspace yet."""
        return not await self.engine.read(workspaces.has_any)

    async def set_up(self, token: str, new: NewServer, formats: Sequence[KeyFormat]) -> list[str]:
        """Create the workspace with its password and a key of each format, and return the keys.

        Raise `Unauthenticated` for a wrong token, `InvalidInput`, or `Conflict` if there is a workspace.
        """
        if self.token is None or not hmac.compare_digest(self.token.encode(), token.encode()):
            raise Unauthenticated
        password = check_new_password(new.password)
        password_hash = await asyncio.to_thread(hash_password, password)
        made = [key_format.generate_secret() for key_format in formats]
        await self.engine.write(
            partial(
                self._create, new=new, password_hash=password_hash, made=list(zip(formats, made, strict=True))
            )
        )
        return made

    async def _create(
        self, transaction: Transaction, new: NewServer, password_hash: str, made: list[tuple[KeyFormat, str]]
    ) -> None:
        if await workspaces.list_all(transaction):
            raise Conflict("workspace", "The server has a workspace already: sign in to it")
        now = self.clock()
        owner = await get_or_create_workspace(transaction, new.workspace, new.time_zone, now)

        async def fill(tenant: Tenant) -> None:
            await workspaces.set_password(tenant, password_hash)
            for key_format, secret in made:
                scopes = key_format.default_scopes
                minted = key_format.mint(secret, owner.number, scopes, KeyOptions("Made in the console"), now)
                await keys.insert_key(tenant, minted.key, minted.lookup_prefix, minted.digest)

        await bind_workspace(owner.number, fill)(transaction)
