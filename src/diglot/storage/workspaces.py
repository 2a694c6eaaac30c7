"""Rows of workspaces. `lock` serializes the writes of a workspace and allocates its dense keys.

The row holds the workspace clock: every stored membership is right at `evaluated_at`, and time changes none
before `next_change_at`. A tick evaluates what time has changed and advances both; a write advances
`evaluated_at` in the statement that locks the row, as long as `next_change_at` is not reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, case, func, insert, select, update

from diglot.conditions.relative_dates import NEVER
from diglot.model.workspaces import Workspace
from diglot.storage.schema import workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = workspaces.c
# The columns of a state, in its order.
STATE_COLUMNS = (
    *("contacts_version", "contact_count", "next_entry", "compacted_entry", "segments_version"),
    *("evaluated_at", "next_change_at", "history_after_entry", "history_since", "time_zone"),
)
_COLUMNS = (_c.workspace, _c.name, _c.time_zone)
_BY_NAME = Statement(select(*_COLUMNS).where(_c.name == bindparam("name")))
_BY_NAME_WITH_PASSWORD = Statement(select(*_COLUMNS, _c.password_hash).where(_c.name == bindparam("name")))
_UPDATE = update(workspaces).where(_c.workspace == bindparam("in_workspace"))
_SET_PASSWORD = Statement(_UPDATE.values(password_hash=bindparam("hash")))
_ALL = Statement(select(*_COLUMNS).order_by(_c.name))
_NEXT_NUMBER = Statement(select(func.coalesce(func.max(_c.workspace), 0) + 1))
_INSERT = Statement(insert(workspaces))
_STATE = Statement(
    select(*(_c[name] for name in STATE_COLUMNS)).where(_c.workspace == bindparam("workspace"))
)
_SET_ZONE = Statement(_UPDATE.values(time_zone=bindparam("zone"), contacts_version=_c.contacts_version + 1))
_SET_COMPACTED_TO = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"))
    .values(compacted_entry=bindparam("entry"), uncompacted_changes=0)
)
_SET_CLOCK_VERSION = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"))
    .values(clock_version=bindparam("version"))
)
_SET_EVALUATED = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"))
    .values(evaluated_at=bindparam("instant"), next_change_at=bindparam("next_change"))
)
_LOWER_NEXT_CHANGE = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"), _c.next_change_at > bindparam("instant"))
    .values(next_change_at=bindparam("instant"))
)
_SET_SEGMENTS_VERSION = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"))
    .values(segments_version=bindparam("version"))
)
# The kinds of dense keys, each numbered without gaps within a workspace.
_COUNTERS = ("pk", "segment", "list", "tag", "event", "webhook", "delivery", "entry")
_LOCKED_COLUMNS = (
    *("contact_count", "compacted_entry", "uncompacted_changes", "segments_version"),
    *("evaluated_at", "next_change_at", "clock_version", "active_webhook_count", "time_zone"),
)
_TAKE_PARAMETERS = ("pks", "segments", "lists", "tags", "events", "webhooks", "deliveries", "entries")
_LOCK_AND_TAKE = Statement(
    update(workspaces)
    .where(_c.workspace == bindparam("in_workspace"))
    .values(
        next_pk=_c.next_pk + bindparam("pks"),
        next_segment=_c.next_segment + bindparam("segments"),
        next_list=_c.next_list + bindparam("lists"),
        next_tag=_c.next_tag + bindparam("tags"),
        next_event=_c.next_event + bindparam("events"),
        next_webhook=_c.next_webhook + bindparam("webhooks"),
        next_delivery=_c.next_delivery + bindparam("deliveries"),
        next_entry=_c.next_entry + bindparam("entries"),
        uncompacted_changes=_c.uncompacted_changes + bindparam("changes"),
        contact_count=_c.contact_count + bindparam("contacts"),
        contacts_version=_c.contacts_version + bindparam("versions"),
        # Memberships that time does not change before `next_change_at` are also right at `now`.
        evaluated_at=case(
            (
                and_(_c.evaluated_at < bindparam("now"), _c.next_change_at > bindparam("now")),
                bindparam("now"),
            ),
            else_=_c.evaluated_at,
        ),
    )
    .returning(*(_c[f"next_{name}"] for name in _COUNTERS), *(_c[name] for name in _LOCKED_COLUMNS))
)


@dataclass(frozen=True, slots=True)
class WorkspaceState:
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
        """Return the state of a row selected with `STATE_COLUMNS`."""
        version, contact_count, next_entry, folded, segments_version, *rest = row
        evaluated_at, next_change_at, entry, since, zone = rest
        return cls(
            *(version, contact_count, next_entry - 1, folded, segments_version),
            *(evaluated_at, next_change_at, entry, since, ZoneInfo(zone)),
        )


@dataclass(frozen=True, slots=True)
class SignInRecord:
    """A workspace and the hash of its password, None if sign-in is disabled."""

    workspace: Workspace
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class LockedWorkspace:
    """A workspace that is locked until the end of the transaction, with the first of each key taken.

    `waited_us` is how long other writers held the lock, in microseconds.
    """

    first_pk: int
    first_segment: int
    first_list: int
    first_tag: int
    first_event: int
    first_webhook: int
    first_delivery: int
    first_entry: int
    contact_count: int
    compacted_to: int
    uncompacted: int
    segments_version: int
    evaluated_at: int
    next_change_at: int
    clock_version: int
    webhook_count: int
    zone: ZoneInfo
    waited_us: int


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


async def set_password(transaction: Transaction, workspace: int, password: str | None) -> None:
    """Set the hash of the password; None disables sign-in."""
    await transaction.execute(_SET_PASSWORD, {"in_workspace": workspace, "hash": password})


async def list_all(transaction: Transaction) -> list[Workspace]:
    """Return all workspaces in order of their names."""
    return [_workspace_of(row) for row in await transaction.fetch_all(_ALL)]


async def create(transaction: Transaction, name: str, time_zone: str, now: int) -> Workspace:
    """Insert a workspace; `now` is in microseconds."""
    row = await transaction.fetch_one(_NEXT_NUMBER)
    assert row is not None
    values = {
        "workspace": row[0],
        "name": name,
        "time_zone": time_zone,
        **{f"next_{name}": 1 for name in _COUNTERS},
        "contacts_version": 0,
        "contact_count": 0,
        "compacted_entry": 0,
        "uncompacted_changes": 0,
        "segments_version": 0,
        "evaluated_at": now,
        "next_change_at": NEVER,
        "clock_version": 0,
        "history_after_entry": 0,
        "history_since": now,
        "active_webhook_count": 0,
        "password_hash": None,
        "created_at": now,
    }
    await transaction.execute(_INSERT, values)
    return Workspace(row[0], name, time_zone)


async def load_state(transaction: Transaction, workspace: int) -> WorkspaceState:
    """Return the state of a workspace as this transaction sees it."""
    row = await transaction.fetch_one(_STATE, {"workspace": workspace})
    assert row is not None
    return WorkspaceState.from_row(row)


async def set_compacted_to(transaction: Transaction, workspace: int, entry: int) -> None:
    """Store the last entry of the log that is compacted into the chunks."""
    await transaction.execute(_SET_COMPACTED_TO, {"in_workspace": workspace, "entry": entry})


async def set_segments_version(transaction: Transaction, workspace: int, version: int) -> None:
    """Store a new version of the active segments."""
    await transaction.execute(_SET_SEGMENTS_VERSION, {"in_workspace": workspace, "version": version})


async def set_clock_version(transaction: Transaction, workspace: int, version: int) -> None:
    """Store a new version of the clock, because the next changes of some segments moved."""
    await transaction.execute(_SET_CLOCK_VERSION, {"in_workspace": workspace, "version": version})


async def set_evaluated(transaction: Transaction, workspace: int, at: int, next_change: int) -> None:
    """Store the instant at which all memberships are right, and before which time changes none of them."""
    values = {"in_workspace": workspace, "instant": at, "next_change": next_change}
    await transaction.execute(_SET_EVALUATED, values)


async def lower_next_change(transaction: Transaction, workspace: int, instant: int) -> None:
    """Store when time changes a membership next, if that is earlier than the stored instant."""
    await transaction.execute(_LOWER_NEXT_CHANGE, {"in_workspace": workspace, "instant": instant})


async def set_zone(transaction: Transaction, workspace: int, zone: str) -> None:
    """Set the time zone; the caller rewrites everything that depends on it in the same transaction."""
    await transaction.execute(_SET_ZONE, {"in_workspace": workspace, "zone": zone})


async def lock(  # noqa: PLR0913 - one row, one statement, each part optional
    transaction: Transaction,
    workspace: int,
    *,
    contacts: int = 0,
    segments: int = 0,
    lists: int = 0,
    tags: int = 0,
    events: int = 0,
    webhooks: int = 0,
    deliveries: int = 0,
    log_entries: int = 0,
    log_changes: int = 0,
    moves_members: bool = True,
    now: int = 0,
) -> LockedWorkspace:
    """Lock a workspace, allocate keys for new rows, and adjust the contact count (negative to subtract).

    This must be the first statement of every write in a workspace, so that writers queue for the lock and
    never deadlock; a unit may lock again to allocate more keys. `log_changes` counts the changes in a new log
    row. If memberships may change (`moves_members`), the stored ones are then right at `now`, unless due.
    """
    taken = (max(contacts, 0), segments, lists, tags, events, webhooks, deliveries, log_entries)
    asked = {"in_workspace": workspace, "contacts": contacts, "versions": int(moves_members), "now": now}
    asked["changes"] = log_changes
    began = monotonic()
    row = await transaction.fetch_one(_LOCK_AND_TAKE, asked | dict(zip(_TAKE_PARAMETERS, taken, strict=True)))
    assert row is not None
    return _locked_workspace_of(row, taken, round((monotonic() - began) * 1_000_000))


def _locked_workspace_of(row: Sequence[Any], taken: Sequence[int], waited: int) -> LockedWorkspace:
    following = row[: len(taken)]
    first = (next_ - number for next_, number in zip(following, taken, strict=True))
    pk, segment, list_, tag, event, webhook, delivery, entry = first
    contact_count, folded, unfolded, version, *clock, webhook_count, zone = row[len(taken) :]
    evaluated_at, next_change_at, clock_version = clock
    return LockedWorkspace(
        *(pk, segment, list_, tag, event, webhook, delivery, entry),
        *(contact_count, folded, unfolded, version),
        *(evaluated_at, next_change_at, clock_version),
        *(webhook_count, ZoneInfo(zone), waited),
    )


async def ping(transaction: Transaction) -> None:
    """Read a row, to check that the database responds."""
    await transaction.fetch_one(_NEXT_NUMBER)
