"""A write unit: locks the row of a workspace once, at its beginning, and updates it once, at its end.

While the row is locked no other writer changes its counters, so the unit allocates dense keys in memory.
Changes that are not stored yet are discarded with a failing unit. The row also is the workspace clock (see
`workspaces`).
"""

from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import astuple, replace
from sqlalchemy import and_, bindparam, case, update

from diglot.clock import Clock
from diglot.errors import NotFound
from diglot.model.webhooks import Delivery, Webhook
from diglot.storage.schema import workspaces
from diglot.storage.sql.engine import UnitOfWork
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.webhooks import deliveries, webhooks
from diglot.storage.workspaces import IN_DELETION, WorkspaceState

T = TypeVar("T")
# A unit holds this many deliveries before it inserts them, because an import may reach a hundred webhooks.
DELIVERIES_PER_INSERT: Final = 500
# The kinds of dense keys, each numbered without gaps within a workspace.
Counter = Literal["pk", "segment", "list", "tag", "event", "event_name", "webhook", "delivery", "entry"]


class WorkspaceRow(msgspec.Struct):
    """The columns of a workspace that only the holder of its lock changes."""

    next_pk: int
    next_segment: int
    next_list: int
    next_tag: int
    next_event: int
    next_event_name: int
    next_webhook: int
    next_delivery: int
    next_entry: int
    contacts_version: int
    contact_count: int
    compacted_entry: int
    uncompacted_changes: int
    segments_version: int
    segments_steps: str
    evaluated_at: int
    next_change_at: int
    clock_version: int
    history_after_entry: int
    history_since: int
    active_webhook_count: int
    segment_count: int
    rule_count: int
    list_count: int
    event_days: int
    events_since: int
    time_zone: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """What the statement that locks the row stores already, so that a short unit needs no second update.

    A unit that changes more stores that when it closes. `moves_members` means that memberships may change;
    `contacts` is added to the contact count, and may be negative.
    """

    moves_members: bool = False
    contacts: int = 0
    events: int = 0


NOTHING: Final = Reservation()
MOVES_MEMBERS: Final = Reservation(moves_members=True)
_c = workspaces.c
_COLUMNS: Final = WorkspaceRow.__struct_fields__
_ROW = update(workspaces).where(_c.workspace == bindparam("in_workspace"))
_LOCK = Statement(
    _ROW.values(
        next_pk=_c.next_pk + bindparam("pks"),
        next_event=_c.next_event + bindparam("events"),
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
    ).returning(*(_c[name] for name in _COLUMNS))
)
_NEW_VALUES: Final = tuple(f"new_{name}" for name in _COLUMNS)
_UPDATE = Statement(_ROW.values(dict(zip(_COLUMNS, map(bindparam, _NEW_VALUES), strict=True))))
# What a write of contacts or events changes that moves memberships: log entries, and perhaps the next change
# by time. More events may have joined the write than were expected.
_OF_THE_LOG: Final = ("next_entry", "uncompacted_changes", "next_change_at", "next_event")
_NEW_OF_THE_LOG: Final = tuple(f"new_{name}" for name in _OF_THE_LOG)
_UPDATE_LOG = Statement(_ROW.values(dict(zip(_OF_THE_LOG, map(bindparam, _NEW_OF_THE_LOG), strict=True))))


@dataclass(slots=True)
class WriteUnit(Tenant):
    """A locked workspace.

    `row` is its row as this unit leaves it, `now` the instant of the unit (microseconds). `share` is the
    share of this unit in a write of many items that is done in parts.
    """

    clock: Clock
    now: int
    row: WorkspaceRow
    _stored_row: WorkspaceRow
    _version_is_new: bool = False
    _active_webhooks: Sequence[Webhook] | None = None
    share: float = 1.0
    # The attribute keys that this unit has stored, which a rollback removes.
    new_attribute_keys: set[str] = field(default_factory=set)
    _new_deliveries: list[Delivery] = field(default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the workspace."""
        return ZoneInfo(self.row.time_zone)

    @property
    def last_entry(self) -> int:
        """The last entry number of the membership log."""
        return self.row.next_entry - 1

    @property
    def state(self) -> WorkspaceState:
        """The state of the workspace as reads in this transaction must see it."""
        row = self.row
        return WorkspaceState(
            *(row.contacts_version, row.contact_count, row.next_entry - 1, row.compacted_entry),
            *(row.segments_version, row.evaluated_at, row.next_change_at),
            *(row.history_after_entry, row.history_since, self.zone),
        )

    def take_keys(self, counter: Counter, number: int = 1) -> int:
        """Allocate consecutive dense keys; return the first."""
        name = f"next_{counter}"
        first: int = getattr(self.row, name)
        setattr(self.row, name, first + number)
        return first

    def count_contacts(self, more: int) -> None:
        """Add to the contact count; `more` may be negative."""
        self.row.contact_count += more

    def count_webhooks(self, more: int) -> None:
        """Add to the count of active webhooks; `more` may be negative."""
        self.row.active_webhook_count += more
        self._active_webhooks = None

    def renew_contacts_version(self) -> None:
        """Record that memberships may change, so that no cached count outlives this unit."""
        if not self._version_is_new:
            self.row.contacts_version += 1
            self._version_is_new = True

    def lower_next_change(self, instant: int) -> None:
        """Record that time changes a membership at an instant, if that is earlier than the stored one."""
        self.row.next_change_at = min(self.row.next_change_at, instant)

    async def active_webhooks(self) -> Sequence[Webhook]:
        """Return the active webhooks, selected once."""
        if not self.row.active_webhook_count:
            return ()
        if self._active_webhooks is None:
            self._active_webhooks = await webhooks.list_active(self)
        return self._active_webhooks

    async def add_deliveries(self, new: Sequence[Delivery]) -> None:
        """Add deliveries to the outbox, in order; most are inserted when the unit closes."""
        self.transaction.notify_on_commit(self.workspace)
        self._new_deliveries += new
        if len(self._new_deliveries) >= DELIVERIES_PER_INSERT:
            await self._insert_deliveries()

    async def flush(self) -> None:
        """Store what the unit holds in memory, so that statements see it."""
        if self._new_deliveries:
            await self._insert_deliveries()
        if self.row != self._stored_row:
            await self._update_row()

    async def _update_row(self) -> None:
        row = self.row
        of_the_log = {name: getattr(row, name) for name in _OF_THE_LOG}
        if row == replace(self._stored_row, **of_the_log):
            await self.execute(_UPDATE_LOG, **dict(zip(_NEW_OF_THE_LOG, of_the_log.values(), strict=True)))
        else:
            await self.execute(_UPDATE, **dict(zip(_NEW_VALUES, astuple(row), strict=True)))
        self._stored_row = copy(row)

    async def _insert_deliveries(self) -> None:
        await deliveries.insert_all(self, self._new_deliveries)
        self._new_deliveries = []


def open_unit(tenant: Tenant, clock: Clock, reservation: Reservation = NOTHING) -> "_UnitBlock":
    """Lock a workspace until the end of the transaction, and update its row at the end of the block.

    This must be the first statement of every write in a workspace, so that writers queue for the lock and
    never deadlock. Inside another unit of the same workspace the block gets that unit, which stays open
    afterwards.
    """
    return _UnitBlock(tenant, clock, reservation)


class _UnitBlock:
    """The block of `open_unit`; a generator would cost each write more."""

    __slots__ = ("_clock", "_opened", "_reservation", "_tenant")

    def __init__(self, tenant: Tenant, clock: Clock, reservation: Reservation) -> None:
        self._tenant, self._clock, self._reservation = tenant, clock, reservation
        self._opened: WriteUnit | None = None

    async def __aenter__(self) -> WriteUnit:
        tenant = self._tenant
        outer: WriteUnit | None = tenant.transaction.open_units.get(tenant.workspace)
        if outer is not None:
            if self._reservation.moves_members:
                outer.renew_contacts_version()
            return outer
        self._opened = unit = await _lock(tenant, self._clock, self._reservation)
        tenant.transaction.open_units[tenant.workspace] = unit
        return unit

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._opened is None:
            return
        try:
            if kind is None:
                await self._opened.flush()
        finally:
            del self._tenant.transaction.open_units[self._tenant.workspace]


def lock_workspace(
    workspace: int,
    clock: Clock,
    work: Callable[[WriteUnit], Awaitable[T]],
    reservation: Reservation = NOTHING,
) -> UnitOfWork[T]:
    """Return a unit of work that runs a function on a locked workspace."""

    async def run(tenant: Tenant) -> T:
        async with open_unit(tenant, clock, reservation) as unit:
            return await work(unit)

    return bind_workspace(workspace, run)


async def _lock(tenant: Tenant, clock: Clock, reservation: Reservation) -> WriteUnit:
    now = clock()
    pks = max(reservation.contacts, 0)
    found = await tenant.fetch_one(
        _LOCK,
        now=now,
        pks=pks,
        events=reservation.events,
        contacts=reservation.contacts,
        versions=int(reservation.moves_members),
    )
    stored = None if found is None else WorkspaceRow(*found)
    if stored is None or stored.time_zone == IN_DELETION:
        # Its deletion began after the request was authenticated.
        raise NotFound("workspace")
    row = copy(stored)
    row.next_pk -= pks
    row.next_event -= reservation.events
    row.contact_count -= reservation.contacts
    moves_members = reservation.moves_members
    return WriteUnit(tenant.transaction, tenant.workspace, clock, now, row, stored, moves_members)
