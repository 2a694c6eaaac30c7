"""Instants that a write removes from the instant index and adds to it, of few contacts and of many."""

from random import Random

import pytest
from sqlalchemy import select

from diglot.service.access.workspaces import get_or_create_workspace
from diglot.storage.membership import moved_instants
from diglot.storage.membership.instant_index import IndexedInstant
from diglot.storage.schema import field_instants
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from support.engines import SQLITE, Database
from support.statements import recording

FIELDS = ("created_at", "events.seen.newest.1", "events.seen.newest.2")
_ALL = Statement(select(field_instants.c.field, field_instants.c.pk, field_instants.c.instant))


@pytest.mark.parametrize("most", [1, 5, moved_instants.MOST_MOVED + 20])
async def test_the_index_has_what_was_added(engine: Engine, most: int) -> None:
    """In place of what was removed: of fields with one instant for each contact, and with several."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", 0))
    rng, known = Random(most), set[IndexedInstant]()

    async def replace(tenant: Tenant, wanted: set[IndexedInstant]) -> None:
        await moved_instants.replace(tenant, sorted(known - wanted), sorted(wanted - known))
        assert not tenant.transaction.rows_are_apart

    for _ in range(30):
        wanted = {(rng.choice(FIELDS), rng.randrange(most), rng.randrange(8)) for _ in range(most)}
        await engine.write(
            bind_workspace(workspace.number, lambda tenant, wanted=wanted: replace(tenant, wanted))  # type: ignore[misc]
        )
        known = wanted
        assert {tuple(row) for row in await engine.read(lambda tx: tx.fetch_all(_ALL))} == known


async def test_the_statements(database: Database, engine: Engine) -> None:
    """The second event of a contact moves the first place and adds another one: one round trip."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", 0))

    async def replace(tenant: Tenant) -> None:
        await moved_instants.replace(tenant, [(FIELDS[1], 1, 5)], [(FIELDS[1], 1, 9), (FIELDS[2], 1, 5)])
        await moved_instants.replace(tenant, [], [])

    with recording() as statements:
        await engine.write(bind_workspace(workspace.number, replace))
    assert len(statements) == (2 if database is SQLITE else 1)
