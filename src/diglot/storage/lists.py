"""Rows of static lists and their members."""

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import text
from diglot.model.contacts import ListName
from diglot.storage.backends import Backend
from diglot.storage.engine import Transaction
from diglot.storage.statement import BackendStatement, Statement
from diglot.storage.tables import list_members, lists

_NUMBER = Statement(
    select(lists.c.list).where(lists.c.workspace == bindparam("workspace"), lists.c.id == bindparam("id"))
)
_INSERT = Statement(insert(lists))


def _join(backend: Backend) -> ClauseElement:
    if backend.name == "sqlite":
        return sqlite.insert(list_members).on_conflict_do_nothing()
    return postgresql.insert(list_members).on_conflict_do_nothing()


_JOIN = BackendStatement(_join)


async def number_of(transaction: Transaction, workspace: int, id_: str) -> int | None:
    """Return the dense number of a list by its UUID."""
    row = await transaction.row(_NUMBER, {"workspace": workspace, "id": id_})
    return None if row is None else int(row[0])


async def create(transaction: Transaction, workspace: int, number: int, named: ListName, now: int) -> None:
    """Insert a static list."""
    values = {
        "workspace": workspace,
        "list": number,
        "id": named.id,
        "name": named.name,
        "name_fold": text.fold(named.name),
        "description": None,
        "segment": None,
        "created_at": now,
        "updated_at": now,
    }
    await transaction.run(_INSERT, values)


async def join(transaction: Transaction, workspace: int, number: int, pks: Sequence[int]) -> None:
    """Put contacts on a list; those who are on it already stay."""
    await transaction.run_many(_JOIN, [{"workspace": workspace, "list": number, "pk": pk} for pk in pks])
