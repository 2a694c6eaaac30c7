"""The functions below the services that the benchmark uses; keep them in step with the product."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.membership import count as membership_count
from diglot.membership import evaluate, read
from diglot.membership.read import MembershipQuery
from diglot.membership.writer import tick
from diglot.model.workspaces import Caller
from diglot.storage.audience import segments
from diglot.storage.contacts import scans
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import lock_workspace

UTC = ZoneInfo("UTC")


async def stored_count(tenant: Tenant, id_: str, now: int) -> int:
    """Return the count of a saved segment as a read computes it, below the services."""
    saved = await membership_count.find_stored_count(tenant, id_, now)
    if saved is not None:
        return saved.members
    result = await segments.find_with_state(tenant, id_)
    assert result is not None
    segment, state = result
    return await read.count_members(tenant, MembershipQuery.for_segment(segment, now, state))


def raw_count(workspace: int, node: tree.Node, backend: Backend, now: int) -> tuple[str, Sequence[Any]]:
    """Return the scan that counts a condition, for the driver: its SQL and its values."""
    statement = scans.build_scan(scans.COUNT, node, backend, now, UTC)
    sql = statement.sql_for(backend)
    return sql.text, sql.positional_values(statement.values | {"workspace": workspace})


def scan_of_keys(count: str) -> str:
    """Return the scan that lists the keys instead of counting them."""
    result = count.replace("count(*) AS count_1", "contacts.pk", 1)
    assert result != count
    return result


async def refresh_all(engine: Engine, caller: Caller) -> None:
    """Evaluate every active segment of a workspace again, in full."""
    await engine.write(lock_workspace(caller.workspace, lambda: 0, evaluate.reevaluate_all_segments))


async def slide(engine: Engine, caller: Caller, before: int, after: int) -> bool:
    """Move the relative-date segments of a workspace from one instant to a later one."""
    await engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, before)))
    await engine.write(bind_workspace(caller.workspace, lambda tenant: tick(tenant, after)))
    return True
