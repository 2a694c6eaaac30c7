"""Rows of answers kept for requests that a client may send again."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select

from diglot.storage.schema import answers
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = answers.c
_HERE = _c.workspace == bindparam("workspace")
_THIS = (_HERE, _c.key == bindparam("key"), _c.name == bindparam("name"))
_FIND = Statement(select(_c.fingerprint, _c.status, _c.body, _c.made, _c.made_at).where(*_THIS))
_FORGET = Statement(delete(answers).where(*_THIS))
_FORGET_OLD = Statement(delete(answers).where(_HERE, _c.made_at < bindparam("before")))
_WITH_OLD = Statement(select(_c.workspace).where(_c.made_at < bindparam("before")).distinct())
_KEEP = Statement(insert(answers))


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given; `made` is the id of what the request made, where that matters."""

    fingerprint: str
    status: int
    body: bytes
    made: str | None
    made_at: int


async def find(transaction: Transaction, workspace: int, key: str, name: str) -> Kept | None:
    """Return the answer kept under a key's name for its request."""
    row = await transaction.row(_FIND, {"workspace": workspace, "key": key, "name": name})
    return None if row is None else Kept(row[0], row[1], bytes(row[2]), row[3], row[4])


async def keep(transaction: Transaction, workspace: int, key: str, name: str, answer: Kept) -> None:
    """Keep an answer in place of an older one."""
    named = {"workspace": workspace, "key": key, "name": name}
    await transaction.run(_FORGET, named)
    values = {
        "fingerprint": answer.fingerprint,
        "status": answer.status,
        "body": answer.body,
        "made": answer.made,
        "made_at": answer.made_at,
    }
    await transaction.run(_KEEP, named | values)


async def forget_old(transaction: Transaction, workspace: int, before: int) -> None:
    """Delete a workspace's answers made before an instant."""
    await transaction.run(_FORGET_OLD, {"workspace": workspace, "before": before})


async def workspaces_with_old(transaction: Transaction, before: int) -> list[int]:
    """Return the workspaces that have answers made before an instant."""
    return [row[0] for row in await transaction.rows(_WITH_OLD, {"before": before})]
