"""Rows of verifications: how many segments were verified, and what had to be repaired."""

from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import verifications
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement

_c = verifications.c
_COUNTED = ("verified", "repaired_segments", "repaired_contacts")


def _add(backend: Backend) -> ClauseElement:
    insert = sqlite.insert if backend.name == "sqlite" else postgresql.insert
    named = ("workspace", *_COUNTED)
    added = insert(verifications).values({name: bindparam(name, type_=_c[name].type) for name in named})
    more = {name: _c[name] + added.excluded[name] for name in _COUNTED}
    return added.on_conflict_do_update(index_elements=[_c.workspace], set_=more)


_ADD = BackendStatement(_add)


async def add(
    transaction: Transaction, workspace: int, *, verified: int = 0, segments: int = 0, contacts: int = 0
) -> None:
    """Count segments that were verified, those repaired, and the contacts that were in them or not."""
    values = {"verified": verified, "repaired_segments": segments, "repaired_contacts": contacts}
    await transaction.run(_ADD, values | {"workspace": workspace})
