"""Rows of workspaces and of their profiles. Writes in a workspace change its row through a `WriteUnit`.

The row holds the workspace clock: every stored membership is right at `evaluated_at`, and time changes none
before `next_change_at`. A tick evaluates what time has changed and advances both; a write advances
`evaluated_at` too, as long as `next_change_at` is not reached.
"""

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import bindparam, delete, func, insert, literal, not_, select, update

from diglot.conditions.relative_dates import NEVER
from diglot.errors import NotFound
from diglot.model.workspaces import Workspace
from diglot.storage.schema import workspace_profiles, workspaces
from diglot.storage.segment_steps import NO_STEPS
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c, _p = workspaces.c, workspace_profiles.c
# The columns of a state, in its order.
STATE_COLUMNS = (
    *("contacts_version", "contact_count", "next_entry", "compacted_entry", "segments_version"),
    *("evaluated_at", "next_change_at", "history_after_entry", "history_since", "time_zone"),
)
_COLUMNS = (_p.workspace, _p.name, _p.time_zone)
# The time zone of a workspace whose deletion has begun; it refuses all reads and writes.
IN_DELETION: Final = ""
# The profile of a deleted workspace whose number must not be used again has a name that none can have.
_DELETED: Final = "\x7f"
_EXISTS = func.substr(_p.name, 1, 1) != literal(_DELETED)
_BY_NAME = Statement(select(*_COLUMNS).where(_p.name == bindparam("name"), _EXISTS))
_BY_NAME_WITH_PASSWORD = Statement(select(*_COLUMNS, _p.password_hash).where(_p.name == bindparam("name")))
_ALL = Statement(select(*_COLUMNS).where(_EXISTS).order_by(_p.name))
_ANY = Statement(select(_p.workspace).where(_EXISTS).limit(1))
_UPDATE_PROFILE = update(workspace_profiles).where(_p.workspace == bindparam("in_workspace"))
_SET_PASSWORD = Statement(_UPDATE_PROFILE.values(password_hash=bindparam("hash")))
_SET_TIME_ZONE = Statement(_UPDATE_PROFILE.values(time_zone=bindparam("zone")))
_RENAME = Statement(_UPDATE_PROFILE.values(name=bindparam("new_name")))
_NEXT_NUMBER = Statement(select(func.coalesce(func.max(_p.workspace), 0) + 1))
_LAST_NUMBER = Statement(select(func.max(_p.workspace)))
_INSERT_PROFILE = Statement(insert(workspace_profiles))
_INSERT = Statement(insert(workspaces))
_DELETE = Statement(delete(workspaces).where(_c.workspace == bindparam("workspace")))
_DELETE_PROFILE = Statement(delete(workspace_profiles).where(_p.workspace == bindparam("workspace")))
_DELETE_MARKED = Statement(
    delete(workspace_profiles).where(not_(_EXISTS), _p.workspace < bindparam("last_number"))
)
_REFUSE_SIGN_IN = Statement(_UPDATE_PROFILE.values(time_zone=IN_DELETION, password_hash=None))
_BEGIN_DELETION = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"))
    .values(time_zone=IN_DELETION, next_change_at=NEVER, uncompacted_changes=0, active_webhook_count=0)
)
_STATE = Statement(
    select(*(_c[name] for name in STATE_COLUMNS)).where(_c.workspace == bindparam("workspace"))
)
_SEGMENTS_STEPS = Statement(select(_c.segments_steps).where(_c.workspace == bindparam("workspace")))
_LAST_CONTACT_KEY = Statement(select(_c.next_pk - 1).where(_c.workspace == bindparam("workspace")))
# Events are kept since this instant in a workspace that has never deleted any.
SINCE_EVER: Final = -NEVER
# The kinds of dense keys, each numbered without gaps within a workspace.
_COUNTERS = ("pk", "segment", "list", "tag", "event", "event_name", "webhook", "delivery", "entry")


class WorkspaceState(msgspec.Struct, frozen=True):
    """The state of a workspace that reads need; `contacts_version` changes whenever a membership can."""

    contacts_version: int
    contact_count: int
    last_entry: int
    compacted_to: int
    segments_version: int
    evaluated_at: int
    next_change_at: int
    history_entry: int
    history_since: int
    zone: ZoneInfo

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "WorkspaceState":
        """Return the state of a row selected with `STATE_COLUMNS`; raise `NotFound` for a deleted one."""
        version, contact_count, next_entry, folded, segments_version, *rest = row
        evaluated_at, next_change_at, entry, since, zone = rest
        if zone == IN_DELETION:
            raise NotFound("workspace")
        return cls(
            *(version, contact_count, next_entry - 1, folded, segments_version),
            *(evaluated_at, next_change_at, entry, since, ZoneInfo(zone)),
        )


class SignInRecord(msgspec.Struct, frozen=True):
    """A workspace and the hash of its password, None if sign-in is disabled."""

    workspace: Workspace
    password_hash: str | None


def _workspace_of(row: Sequence[object]) -> Workspace:
    number, name, zone = row
    return Workspace(int(str(number)), str(name), str(zone))


async def find_by_name(transaction: Transaction, name: str) -> Workspace | None:
    """Return a workspace by its name, or None."""
    row = await transaction.fetch_one(_BY_NAME, {"name": name})
    return None if row is None else _workspace_of(row)


async def find_sign_in(transaction: Transaction, name: str) -> SignInRecord | None:
    """Return a workspace by its name with the hash of its password, or None."""
    row = await transaction.fetch_one(_BY_NAME_WITH_PASSWORD, {"name": name})
    return None if row is None else SignInRecord(_workspace_of(row[:3]), row[3])


async def set_password(tenant: Tenant, password: str | None) -> None:
    """Set the hash of the password; None disables sign-in."""
    await tenant.execute(_SET_PASSWORD, hash=password)


async def set_time_zone(tenant: Tenant, zone: str) -> None:
    """Set the time zone in the profile; the unit that does so also changes the copy in its row."""
    await tenant.execute(_SET_TIME_ZONE, zone=zone)


async def list_all(transaction: Transaction) -> list[Workspace]:
    """Return all workspaces in order of their names."""
    return [_workspace_of(row) for row in await transaction.fetch_all(_ALL)]


async def has_any(transaction: Transaction) -> bool:
    """Tell whether there is a workspace."""
    return await transaction.fetch_one(_ANY) is not None


async def create(transaction: Transaction, name: str, time_zone: str, now: int) -> Workspace:
    """Insert a workspace; `now` is in microseconds."""
    row = await transaction.fetch_one(_NEXT_NUMBER)
    assert row is not None
    number = {"workspace": row[0]}
    profile = {"name": name, "time_zone": time_zone, "password_hash": None, "created_at": now}
    await transaction.execute(_INSERT_PROFILE, number | profile)
    await transaction.execute(_INSERT, number | _first_values(time_zone, now))
    return Workspace(row[0], name, time_zone)


def _first_values(time_zone: str, now: int) -> dict[str, Any]:
    """Return the columns of the row of a new workspace, without its number."""
    return {
        **{f"next_{name}": 1 for name in _COUNTERS},
        "time_zone": time_zone,
        "contacts_version": 0,
        "contact_count": 0,
        "compacted_entry": 0,
        "uncompacted_changes": 0,
        "segments_version": 0,
        "segments_steps": NO_STEPS,
        "evaluated_at": now,
        "next_change_at": NEVER,
        "clock_version": 0,
        "history_after_entry": 0,
        "history_since": now,
        "active_webhook_count": 0,
        "segment_count": 0,
        "rule_count": 0,
        "list_count": 0,
        "event_days": 0,
        "events_since": SINCE_EVER,
    }


async def rename(tenant: Tenant, name: str) -> None:
    """Give a workspace another name."""
    await tenant.execute(_RENAME, new_name=name)


async def begin_deletion(tenant: Tenant) -> None:
    """Make a workspace refuse all reads and writes from now on; no background work finds it any more."""
    await tenant.execute(_BEGIN_DELETION)
    await tenant.execute(_REFUSE_SIGN_IN)


async def end_deletion(tenant: Tenant) -> None:
    """Delete the row and the profile of a workspace without other rows.

    The profile with the highest number stays without its name, because a new workspace would get its number,
    and processes cache what they know of a workspace by its number. It is deleted after the next one.
    """
    await tenant.execute(_DELETE)
    row = await tenant.transaction.fetch_one(_LAST_NUMBER)
    assert row is not None
    if tenant.workspace < row[0]:
        await tenant.execute(_DELETE_PROFILE)
    else:
        await tenant.execute(_RENAME, new_name=f"{_DELETED}{tenant.workspace}")
    await tenant.transaction.execute(_DELETE_MARKED, {"last_number": row[0]})


async def load_state(tenant: Tenant) -> WorkspaceState:
    """Return the state of a workspace as this transaction sees it; raise `NotFound` if it was deleted."""
    unit = tenant.transaction.open_units.get(tenant.workspace)
    if unit is not None:
        state: WorkspaceState = unit.state
        return state
    row = await tenant.fetch_one(_STATE)
    if row is None:
        raise NotFound("workspace")
    return WorkspaceState.from_row(row)


async def load_segments_steps(tenant: Tenant) -> str:
    """Return the last steps to the version of the active segments, as this transaction sees them."""
    unit = tenant.transaction.open_units.get(tenant.workspace)
    if unit is not None:
        return str(unit.row.segments_steps)
    row = await tenant.fetch_one(_SEGMENTS_STEPS)
    return NO_STEPS if row is None else str(row[0])


async def load_last_contact_key(tenant: Tenant) -> int:
    """Return the newest key that a contact of a workspace has had, 0 if there was none."""
    row = await tenant.fetch_one(_LAST_CONTACT_KEY)
    return 0 if row is None else int(row[0])


async def touch(tenant: Tenant) -> None:
    """Read the row of a workspace, which tells whether its node answers."""
    await tenant.fetch_one(_STATE)


def state_of_row(tenant: Tenant, row: Sequence[Any]) -> WorkspaceState:
    """Return the state in selected columns, or the changed state of an open write unit."""
    unit = tenant.transaction.open_units.get(tenant.workspace)
    return WorkspaceState.from_row(row) if unit is None else unit.state
