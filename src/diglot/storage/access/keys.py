"""Rows of keys: a digest, never the secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update

from diglot.model.workspaces import Key
from diglot.storage.schema import keys, workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = keys.c
_SHOWN = (
    *(_c.id, _c.workspace, _c.dialect, _c.prefix, _c.scopes, _c.created_at, _c.revoked_at),
    *(_c.name, _c.account, _c.expires_at, _c.last_used_at),
)
_FIND = Statement(
    select(
        *(_c.digest, _c.dialect, _c.revoked_at, _c.expires_at, _c.id, _c.workspace, _c.scopes),
        workspaces.c.time_zone,
    )
    .join(workspaces, workspaces.c.workspace == _c.workspace)
    .where(_c.handle == bindparam("handle"))
)
_INSERT = Statement(insert(keys))
_OF_WORKSPACE = Statement(
    select(*_SHOWN).where(_c.workspace == bindparam("workspace")).order_by(_c.created_at, _c.id)
)
_OF_DIALECT = Statement(
    select(*_SHOWN)
    .where(_c.workspace == bindparam("workspace"), _c.dialect == bindparam("dialect"))
    .order_by(_c.created_at.desc(), _c.id.desc())
)
_USED = Statement(
    update(keys)
    .where(_c.id == bindparam("key"), or_(_c.last_used_at.is_(None), _c.last_used_at < bindparam("used_at")))
    .values(last_used_at=bindparam("used_at"))
)
_REVOKE = Statement(
    update(keys).where(_c.id == bindparam("key"), _c.revoked_at.is_(None)).values(revoked_at=bindparam("now"))
)
_BY_ID = Statement(select(*_SHOWN).where(_c.id == bindparam("key")))


@dataclass(frozen=True, slots=True)
class Found:
    """What a request's key is compared with, and what it opens."""

    digest: str
    dialect: str
    revoked: bool
    expires_at: int | None
    id: str
    workspace: int
    scopes: tuple[str, ...]
    time_zone: str


def _scopes(stored: str) -> tuple[str, ...]:
    return tuple(stored.split(",")) if stored else ()


def _key(row: Sequence[Any]) -> Key:
    id_, workspace, dialect, prefix, scopes, *rest = row
    return Key(id_, workspace, dialect, prefix, _scopes(scopes), *rest)


async def find(transaction: Transaction, handle: str) -> Found | None:
    """Return the key whose digest begins with the handle."""
    row = await transaction.row(_FIND, {"handle": handle})
    if row is None:
        return None
    digest, dialect, revoked_at, expires_at, id_, workspace, scopes, zone = row
    return Found(digest, dialect, revoked_at is not None, expires_at, id_, workspace, _scopes(scopes), zone)


async def insert_key(transaction: Transaction, key: Key, handle: str, digest: str) -> None:
    """Insert a key; its handle is free (ask `find` first)."""
    values = {
        "id": key.id,
        "workspace": key.workspace,
        "dialect": key.dialect,
        "handle": handle,
        "digest": digest,
        "prefix": key.prefix,
        "scopes": ",".join(key.scopes),
        "created_at": key.created_at,
        "name": key.name,
        "account": key.account,
        "expires_at": key.expires_at,
        "last_used_at": None,
        "revoked_at": None,
    }
    await transaction.run(_INSERT, values)


async def of_workspace(transaction: Transaction, workspace: int) -> list[Key]:
    """Return the keys of a workspace, oldest first, revoked ones included."""
    return [_key(row) for row in await transaction.rows(_OF_WORKSPACE, {"workspace": workspace})]


async def of_dialect(transaction: Transaction, workspace: int, dialect: str) -> list[Key]:
    """Return the keys of a workspace in a dialect, newest first, revoked ones included."""
    values = {"workspace": workspace, "dialect": dialect}
    return [_key(row) for row in await transaction.rows(_OF_DIALECT, values)]


async def by_id(transaction: Transaction, key: str) -> Key | None:
    """Return a key by its id."""
    row = await transaction.row(_BY_ID, {"key": key})
    return None if row is None else _key(row)


async def revoke(transaction: Transaction, key: str, now: int) -> None:
    """Revoke a key; a revoked one stays as it was."""
    await transaction.run(_REVOKE, {"key": key, "now": now})


async def used(transaction: Transaction, uses: Mapping[str, int]) -> None:
    """Move the last uses of keys forward, in one order, so that two writers never deadlock."""
    rows = [{"key": key, "used_at": instant} for key, instant in sorted(uses.items())]
    await transaction.run_many(_USED, rows)
