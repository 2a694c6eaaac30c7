"""Rows of browser sessions; only digests are stored, never the secrets in cookies."""

from sqlalchemy import bindparam, delete, insert, select

from diglot.model.workspaces import Session, Workspace
from diglot.storage.schema import sessions, workspace_profiles
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c, _p = sessions.c, workspace_profiles.c
_INSERT = Statement(insert(sessions))
_BY_DIGEST = Statement(
    select(_c.workspace, _p.name, _p.time_zone, _c.created_at, _c.expires_at)
    .join(workspace_profiles, _p.workspace == _c.workspace)
    .where(_c.digest == bindparam("digest"))
)
_END = Statement(delete(sessions).where(_c.digest == bindparam("digest")))
_END_ALL = Statement(delete(sessions).where(_c.workspace == bindparam("workspace")))
_END_EXPIRED = Statement(
    delete(sessions).where(_c.workspace == bindparam("workspace"), _c.expires_at <= bindparam("now"))
)


async def find(transaction: Transaction, digest: str) -> Session | None:
    """Return a session by its digest, expired or not."""
    row = await transaction.fetch_one(_BY_DIGEST, {"digest": digest})
    if row is None:
        return None
    number, name, zone, created_at, expires_at = row
    return Session(digest, Workspace(number, name, zone), created_at, expires_at)


async def begin(tenant: Tenant, session: Session) -> None:
    """Insert a session."""
    await tenant.execute(
        _INSERT, digest=session.digest, created_at=session.created_at, expires_at=session.expires_at
    )


async def end(transaction: Transaction, digest: str) -> None:
    """Delete a session, if it exists."""
    await transaction.execute(_END, {"digest": digest})


async def end_all(tenant: Tenant) -> None:
    """Delete every session of a workspace."""
    await tenant.execute(_END_ALL)


async def end_expired(tenant: Tenant, now: int) -> None:
    """Delete the expired sessions of a workspace."""
    await tenant.execute(_END_EXPIRED, now=now)
