"""Rows of answers kept for requests that a client may send again."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select

from diglot.storage.schema import idempotent_responses
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = idempotent_responses.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_OF_REQUEST = (
    _IN_WORKSPACE,
    _c.key == bindparam("key"),
    _c.request_name == bindparam("request_name"),
)
_SELECT = Statement(
    select(_c.fingerprint, _c.status, _c.body, _c.created_id, _c.stored_at).where(*_OF_REQUEST)
)
_DELETE = Statement(delete(idempotent_responses).where(*_OF_REQUEST))
_DELETE_OLD = Statement(delete(idempotent_responses).where(_IN_WORKSPACE, _c.stored_at < bindparam("before")))
_WORKSPACES_WITH_OLD = Statement(select(_c.workspace).where(_c.stored_at < bindparam("before")).distinct())
_INSERT = Statement(insert(idempotent_responses))


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as it was sent; `created_id` names what the request created, where that matters."""

    fingerprint: str
    status: int
    body: bytes
    created_id: str | None
    stored_at: int


async def find(transaction: Transaction, workspace: int, key: str, name: str) -> StoredResponse | None:
    """Return the answer kept under a key's name for its request."""
    row = await transaction.fetch_one(_SELECT, {"workspace": workspace, "key": key, "request_name": name})
    return None if row is None else StoredResponse(row[0], row[1], bytes(row[2]), row[3], row[4])


async def store(
    transaction: Transaction, workspace: int, key: str, name: str, answer: StoredResponse
) -> None:
    """Keep an answer in place of an older one."""
    named = {"workspace": workspace, "key": key, "request_name": name}
    await transaction.execute(_DELETE, named)
    values = {
        "fingerprint": answer.fingerprint,
        "status": answer.status,
        "body": answer.body,
        "created_id": answer.created_id,
        "stored_at": answer.stored_at,
    }
    await transaction.execute(_INSERT, named | values)


async def delete_old(transaction: Transaction, workspace: int, before: int) -> None:
    """Delete a workspace's answers made before an instant."""
    await transaction.execute(_DELETE_OLD, {"workspace": workspace, "before": before})


async def list_workspaces_with_old(transaction: Transaction, before: int) -> list[int]:
    """Return the workspaces that have answers made before an instant."""
    return [row[0] for row in await transaction.fetch_all(_WORKSPACES_WITH_OLD, {"before": before})]
