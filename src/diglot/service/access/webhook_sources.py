"""Sources of webhooks: the operator creates one for each webhook of a vendor, and sets its secret."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.errors import InvalidInput, NotFound
from diglot.model.ids import new_id, parse_id
from diglot.model.webhooks import WebhookSource
from diglot.storage import workspaces
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import bind_workspace
from diglot.storage.webhooks import sources

MAX_SECRET_LENGTH: Final = 256


@dataclass(frozen=True, slots=True)
class WebhookSources:
    """The operator's calls on sources."""

    engine: Engine
    clock: Clock = system_clock

    async def create(self, workspace: str, dialect: str) -> str:
        """Create a source of a workspace without a secret, and return its id; raise `NotFound`."""
        return await self.engine.write(partial(self._create, name=workspace, dialect=dialect))

    async def list_all(self) -> list[WebhookSource]:
        """Return the sources of all workspaces."""
        return await self.engine.read(sources.list_all)

    async def set_secret(self, id_: str, secret: str) -> None:
        """Set the secret of a source; raise `NotFound`, or `InvalidInput` for an impossible secret."""
        if not 1 <= len(secret) <= MAX_SECRET_LENGTH or not secret.isprintable():
            message = f"a secret has 1 to {MAX_SECRET_LENGTH} printable characters"
            raise InvalidInput.at(("secret",), message)
        await self.engine.write(partial(_set_secret, id_=id_, secret=secret))

    async def delete(self, id_: str) -> None:
        """Delete a source; raise `NotFound`."""
        await self.engine.write(partial(_delete, id_=id_))

    async def _create(self, transaction: Transaction, name: str, dialect: str) -> str:
        owner = await workspaces.find_by_name(transaction, name)
        if owner is None or owner.time_zone == workspaces.IN_DELETION:
            raise NotFound(f"workspace {name}")
        id_ = new_id()
        insert = partial(sources.insert_source, id_=id_, dialect=dialect, now=self.clock())
        await bind_workspace(owner.number, insert)(transaction)
        return id_


async def _require_id(transaction: Transaction, id_: str) -> str:
    parsed = parse_id(id_)
    if parsed is None or await sources.find(transaction, parsed) is None:
        raise NotFound("source")
    return parsed


async def _set_secret(transaction: Transaction, id_: str, secret: str) -> None:
    await sources.set_secret(transaction, await _require_id(transaction, id_), secret)


async def _delete(transaction: Transaction, id_: str) -> None:
    await sources.delete_source(transaction, await _require_id(transaction, id_))
