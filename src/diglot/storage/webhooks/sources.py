"""Rows of the sources of webhooks that vendors send."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from diglot.model.webhooks import WebhookSource
from diglot.storage.schema import webhook_sources, workspace_profiles
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c, _p = webhook_sources.c, workspace_profiles.c
_SELECT: Final = select(
    _c.id, _c.workspace, _p.name, _p.time_zone, _c.dialect, _c.secret, _c.created_at
).join(workspace_profiles, _p.workspace == _c.workspace)
_BY_ID = Statement(_SELECT.where(_c.id == bindparam("id")))
_ALL = Statement(_SELECT.order_by(_p.name, _c.created_at, _c.id))
_OF_WORKSPACE = Statement(
    _SELECT.where(_c.workspace == bindparam("workspace"), _p.workspace == bindparam("workspace")).order_by(
        _c.created_at, _c.id
    )
)
_INSERT = Statement(insert(webhook_sources))
_SET_SECRET = Statement(
    update(webhook_sources).where(_c.id == bindparam("source")).values(secret=bindparam("new_secret"))
)
_DELETE = Statement(delete(webhook_sources).where(_c.id == bindparam("source")))


def _source_of(row: Sequence[Any]) -> WebhookSource:
    return WebhookSource(*row)


async def fetch(engine: Engine, id_: str) -> WebhookSource | None:
    """Return a source by its id, or None, as a point read without a workspace."""
    row = await engine.fetch_point(_BY_ID, {"id": id_})
    return None if row is None else _source_of(row)


async def find(transaction: Transaction, id_: str) -> WebhookSource | None:
    """Return a source by its id, or None."""
    row = await transaction.fetch_one(_BY_ID, {"id": id_})
    return None if row is None else _source_of(row)


async def list_all(transaction: Transaction) -> list[WebhookSource]:
    """Return the sources of all workspaces, by the name of the workspace."""
    return [_source_of(row) for row in await transaction.fetch_all(_ALL, {})]


async def list_of_workspace(tenant: Tenant) -> list[WebhookSource]:
    """Return the sources of a workspace, oldest first."""
    return [_source_of(row) for row in await tenant.fetch_all(_OF_WORKSPACE)]


async def insert_source(tenant: Tenant, id_: str, dialect: str, now: int) -> None:
    """Insert a source without a secret."""
    await tenant.execute(_INSERT, id=id_, dialect=dialect, secret=None, created_at=now)


async def set_secret(transaction: Transaction, id_: str, secret: str) -> None:
    """Set the secret of a source."""
    await transaction.execute(_SET_SECRET, {"source": id_, "new_secret": secret})


async def delete_source(transaction: Transaction, id_: str) -> None:
    """Delete a source."""
    await transaction.execute(_DELETE, {"source": id_})
