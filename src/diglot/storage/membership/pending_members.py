"""Who is in a segment, or no longer, by writes that came while it was evaluated for the first time."""

from collections.abc import Sequence

from pyroaring import BitMap
from sqlalchemy import bindparam, delete, select

from diglot.storage.membership.changes import Change
from diglot.storage.schema import pending_members
from diglot.storage.sql import bulk
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = pending_members.c
_OF = (_c.workspace == bindparam("workspace"), _c.segment == bindparam("segment"))
_EVERY = Statement(select(_c.pk, _c.is_member).where(*_OF))
_FORGET = Statement(delete(pending_members).where(*_OF))
_NOTE = bulk.inserting(pending_members, replaced=("is_member",))


async def note(transaction: Transaction, workspace: int, moved: Sequence[Change]) -> None:
    """Note who is in segments and who no longer."""
    values = [
        {"workspace": workspace, "segment": one.segment, "pk": pk, "is_member": is_member}
        for one in moved
        for keys, is_member in ((one.left, 0), (one.entered, 1))
        for pk in keys
    ]
    await _NOTE.run(transaction, values)


async def applied(transaction: Transaction, workspace: int, segment: int, found: BitMap) -> BitMap:
    """Return the members of a segment, given those that an evaluation found at any time since its making."""
    rows = await transaction.rows(_EVERY, {"workspace": workspace, "segment": segment})
    left = BitMap([pk for pk, is_member in rows if not is_member])
    return (found - left) | BitMap([pk for pk, is_member in rows if is_member])


async def forget(transaction: Transaction, workspace: int, segment: int) -> None:
    """Forget what was noted of a segment."""
    await transaction.run(_FORGET, {"workspace": workspace, "segment": segment})
