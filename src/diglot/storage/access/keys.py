"""Rows of API keys; only digests are stored, never secrets."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import and_, bindparam, delete, func, insert, not_, or_, select, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.model.workspaces import ApiKey
from diglot.storage.schema import keys, workspace_profiles
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Engine, Row, Transaction
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant

# Ended keys that one statement deletes. A key ends once, so a creation leaves none of them behind for long.
MAX_DELETED: Final = 1_000
_c = keys.c
_COLUMNS = (
    *(_c.id, _c.workspace, _c.dialect, _c.prefix, _c.scopes, _c.created_at, _c.revoked_at),
    *(_c.name, _c.account, _c.expires_at, _c.last_used_at),
)
_BY_LOOKUP_PREFIX = Statement(
    select(
        *(_c.digest, _c.dialect, _c.revoked_at, _c.expires_at, _c.id, _c.workspace, _c.scopes),
        workspace_profiles.c.time_zone,
    )
    .join(workspace_profiles, workspace_profiles.c.workspace == _c.workspace)
    .where(_c.lookup_prefix == bindparam("lookup_prefix"))
)
_INSERT = Statement(insert(keys))
_OF_WORKSPACE = Statement(
    select(*_COLUMNS).where(_c.workspace == bindparam("workspace")).order_by(_c.created_at, _c.id)
)
_OF_DIALECT = Statement(
    select(*_COLUMNS)
    .where(_c.workspace == bindparam("workspace"), _c.dialect == bindparam("dialect"))
    .order_by(_c.created_at.desc(), _c.id.desc())
)
_UPDATE_LAST_USE = Statement(
    update(keys)
    .where(
        _c.id == bindparam("row_id"),
        or_(_c.last_used_at.is_(None), _c.last_used_at < bindparam("row_last_used_at")),
    )
    .values(last_used_at=bindparam("row_last_used_at"))
)


def _update_last_uses(backend: Backend) -> ClauseElement:
    """Return the statement for many keys; it locks them in order of their ids, whatever the plan."""
    assert backend.rows_from_arrays is not None
    sent, stored = backend.rows_from_arrays([_c.id, _c.last_used_at]), keys.alias("stored")
    is_later = or_(stored.c.last_used_at.is_(None), stored.c.last_used_at < sent.c.last_used_at)
    later = (
        select(stored.c.id, sent.c.last_used_at)
        .join(sent, sent.c.id == stored.c.id)
        .where(is_later)
        .order_by(stored.c.id)
        .with_for_update(of=stored)
        .subquery("later")
    )
    return update(keys).where(_c.id == later.c.id).values(last_used_at=later.c.last_used_at)


_UPDATE_LAST_USES = BackendStatement(_update_last_uses)
_REVOKE = Statement(
    update(keys).where(_c.id == bindparam("key"), _c.revoked_at.is_(None)).values(revoked_at=bindparam("now"))
)
_IS_VALID = and_(_c.revoked_at.is_(None), or_(_c.expires_at.is_(None), _c.expires_at > bindparam("now")))
_COUNT_VALID = Statement(
    select(func.count()).select_from(keys).where(_c.workspace == bindparam("workspace"), _IS_VALID)
)
# Ended keys in the order in which they ended, as far as that is known, without the newest `kept` ones.
_OLDEST_ENDED = (
    select(_c.id)
    .where(_c.workspace == bindparam("workspace"), not_(_IS_VALID))
    .order_by(func.coalesce(_c.revoked_at, _c.expires_at).desc(), _c.id.desc())
    .limit(bindparam("most"))
    .offset(bindparam("kept"))
)
_DELETE_OLDEST_ENDED = Statement(delete(keys).where(_c.id.in_(_OLDEST_ENDED)))
_BY_ID = Statement(select(*_COLUMNS).where(_c.id == bindparam("key")))


class KeyRecord(msgspec.Struct, frozen=True):
    """The columns that authenticate a request: what its key must match, and what the key permits."""

    digest: str
    dialect: str
    is_revoked: bool
    expires_at: int | None
    id: str
    workspace: int
    scopes: tuple[str, ...]
    time_zone: str


def _split_scopes(stored: str) -> tuple[str, ...]:
    return tuple(stored.split(",")) if stored else ()


def _key_of(row: Sequence[Any]) -> ApiKey:
    id_, workspace, dialect, prefix, scopes, *columns = row
    return ApiKey(id_, workspace, dialect, prefix, _split_scopes(scopes), *columns)


async def find_by_lookup_prefix(transaction: Transaction, lookup_prefix: str) -> KeyRecord | None:
    """Return the key whose digest begins with a lookup prefix, or None."""
    row = await transaction.fetch_one(_BY_LOOKUP_PREFIX, {"lookup_prefix": lookup_prefix})
    return None if row is None else record_of(row)


def fetch_row(engine: Engine, lookup_prefix: str) -> Coroutine[Any, Any, Row | None]:
    """Return the row of `find_by_lookup_prefix`, of which `record_of` makes the record."""
    return engine.fetch_point(_BY_LOOKUP_PREFIX, {"lookup_prefix": lookup_prefix})


def record_of(row: Row) -> KeyRecord:
    """Return the record of a row."""
    digest, dialect, revoked_at, expires_at, id_, workspace, scopes, zone = row
    return KeyRecord(
        digest, dialect, revoked_at is not None, expires_at, id_, workspace, _split_scopes(scopes), zone
    )


async def insert_key(tenant: Tenant, key: ApiKey, lookup_prefix: str, digest: str) -> None:
    """Insert a key; the caller has checked that its lookup prefix is unused."""
    await tenant.execute(
        _INSERT,
        id=key.id,
        dialect=key.dialect,
        lookup_prefix=lookup_prefix,
        digest=digest,
        prefix=key.prefix,
        scopes=",".join(key.scopes),
        created_at=key.created_at,
        name=key.name,
        account=key.account,
        expires_at=key.expires_at,
        last_used_at=None,
        revoked_at=None,
    )


async def list_of_workspace(tenant: Tenant) -> list[ApiKey]:
    """Return the keys of a workspace, oldest first, including revoked ones."""
    return [_key_of(row) for row in await tenant.fetch_all(_OF_WORKSPACE)]


async def list_of_dialect(tenant: Tenant, dialect: str) -> list[ApiKey]:
    """Return the keys of a workspace in a dialect, newest first, including revoked ones."""
    return [_key_of(row) for row in await tenant.fetch_all(_OF_DIALECT, dialect=dialect)]


async def find_by_id(transaction: Transaction, key: str) -> ApiKey | None:
    """Return a key by its id, or None."""
    row = await transaction.fetch_one(_BY_ID, {"key": key})
    return None if row is None else _key_of(row)


async def count_valid(tenant: Tenant, now: int) -> int:
    """Return the number of keys that are neither revoked nor expired, in all dialects."""
    row = await tenant.fetch_one(_COUNT_VALID, now=now)
    assert row is not None
    return int(row[0])


async def delete_oldest_ended(tenant: Tenant, now: int, kept: int) -> None:
    """Delete revoked and expired keys, except those that ended last."""
    await tenant.execute(_DELETE_OLDEST_ENDED, now=now, kept=kept, most=MAX_DELETED)


async def revoke(transaction: Transaction, key: str, now: int) -> None:
    """Revoke a key; if it is revoked already, it stays unchanged."""
    await transaction.execute(_REVOKE, {"key": key, "now": now})


async def record_uses(transaction: Transaction, uses: Mapping[str, int]) -> None:
    """Advance the last uses of keys, in order of their ids, so that two writers never deadlock.

    A server gets all of them in one statement, because Citus commits each write of a key on every node.
    """
    if transaction.backend.rows_from_arrays is None:
        rows = [{"row_id": key, "row_last_used_at": instant} for key, instant in sorted(uses.items())]
        await transaction.execute_many(_UPDATE_LAST_USE, rows)
        return
    await transaction.execute(
        _UPDATE_LAST_USES, {"row_id": list(uses), "row_last_used_at": list(uses.values())}
    )
