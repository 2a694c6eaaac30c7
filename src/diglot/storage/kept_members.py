"""The kept members of a static segment, changed by hand: one statement for any number of contacts."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import CTE, Text, and_, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from diglot.model.segments import MemberAction, MemberChange
from diglot.storage.backends import ONE, ZERO, Backend
from diglot.storage.engine import Transaction
from diglot.storage.scans import pinned
from diglot.storage.statement import BackendStatement
from diglot.storage.tables import contacts, segment_members

_c, _m = contacts.c, segment_members.c
_KEPT: Final = and_(_m.workspace == bindparam("workspace"), _m.segment == bindparam("segment"))


def _named(backend: Backend) -> CTE:
    """Return the keys of the contacts that have one of the ids; an id that nobody here has has no key.

    PostgreSQL evaluates it first, which its planner, left to itself, does after a walk over all contacts.
    """
    wanted = backend.is_any(_c.id, [], Text(), lambda _, kind: bindparam("ids", type_=kind))
    found = pinned(select(_c.pk), "id").where(_c.workspace == bindparam("workspace"), wanted)
    return found.cte("named").prefix_with("MATERIALIZED", dialect="postgresql")


def _add(backend: Backend) -> ClauseElement:
    ours = (bindparam(name, type_=_m[name].type).label(name) for name in ("workspace", "segment"))
    # SQLite reads ON after a bare FROM as a join's.
    named = select(*ours, _named(backend).c.pk).where(ZERO < ONE)
    insert = sqlite.insert if backend.name == "sqlite" else postgresql.insert
    columns = ["workspace", "segment", "pk"]
    return insert(segment_members).from_select(columns, named).on_conflict_do_nothing()


def _remove(backend: Backend) -> ClauseElement:
    return delete(segment_members).where(_KEPT, _m.pk.in_(select(_named(backend).c.pk)))


def _remove_others(backend: Backend) -> ClauseElement:
    return delete(segment_members).where(_KEPT, _m.pk.not_in(select(_named(backend).c.pk)))


_ADD: Final = BackendStatement(_add)
STATEMENTS: Final[dict[MemberAction, Sequence[BackendStatement]]] = {
    MemberAction.ADD: (_ADD,),
    MemberAction.REMOVE: (BackendStatement(_remove),),
    MemberAction.SET: (BackendStatement(_remove_others), _ADD),
}


async def change(transaction: Transaction, workspace: int, segment: int, wanted: MemberChange) -> None:
    """Change the members of the static segment of a number; ids that no contact here has are passed over."""
    ids = transaction.backend.encode_list(wanted.ids)
    values = {"workspace": workspace, "segment": segment, "ids": ids}
    for statement in STATEMENTS[wanted.action]:
        await transaction.run(statement, values)
