"""Number the names of events, keep what the events of each contact add up to, and give events ids of sources.

The states of earlier events are computed contact by contact, in the order of the index by contact, so that
only the events of one contact are in memory. An order's id becomes the source id of its event.
"""

import itertools
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from alembic import op

from diglot.conditions import text
from diglot.conditions.events.states import (
    EventState,
    add_event,
    count_event,
    pack_instants,
    read_properties,
)
from diglot.storage.sql.databases import create_limited, exact_text

revision = "r008"
down_revision = "r007"
branch_labels = None
depends_on = None

_EVENTS_PER_READ = 5_000
_STATES_PER_WRITE = 1_000
_NAMES_PER_UPDATE = 100
_events = sa.table(
    "events",
    sa.column("workspace", sa.Integer()),
    *(sa.column(name, sa.BigInteger()) for name in ("event", "pk", "happened_at")),
    *(sa.column(name, exact_text()) for name in ("kind", "name", "body", "source_id")),
    sa.column("stream", sa.Integer()),
)
_names = sa.table("event_names", *(sa.column(name) for name in ("workspace", "number", "name")))
_states = sa.table(
    "event_states",
    *(sa.column(name) for name in ("workspace", "pk", "stream", "count", "first_at", "last_at", "revenue")),
    sa.column("recent"),
)
_workspaces = sa.table("workspaces", sa.column("workspace"), sa.column("next_event_name"))
_e = _events.c
# By workspace and name as it was sent.
_Numbers = dict[int, dict[str, int]]


def upgrade() -> None:
    """Add the tables and columns, and fill them from the events."""
    _create_tables()
    _change_events()
    connection = op.get_bind()
    numbers = _number_names(connection)
    for workspace, of_names in numbers.items():
        _number_events(connection, workspace, of_names)
    _compute_states(connection, numbers)
    counted = sa.text("stream IS NOT NULL")
    columns = ["workspace", "stream", "pk", "happened_at"]
    op.create_index("events_of_stream", "events", columns, **create_limited(counted))


def _create_tables() -> None:
    op.create_table(
        "event_names",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", exact_text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "number"),
        sa.UniqueConstraint("workspace", "name"),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.workspace"]),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event_states",
        sa.Column("workspace", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("revenue", sa.Text(), nullable=False),
        sa.Column("recent", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "pk", "stream"),
        sa.ForeignKeyConstraint(["workspace", "pk"], ["contacts.workspace", "contacts.pk"]),
        sqlite_with_rowid=False,
    )


def _change_events() -> None:
    first = sa.Column("next_event_name", sa.Integer(), nullable=False, server_default="1")
    op.add_column("workspaces", first)
    op.add_column("events", sa.Column("stream", sa.Integer(), nullable=True))
    op.drop_index("events_by_order", "events")
    op.alter_column("events", "order_id", new_column_name="source_id")
    has_source = sa.text("source_id IS NOT NULL")
    op.create_index(
        "events_by_source", "events", ["source_id", "workspace"], unique=True, **create_limited(has_source)
    )
    op.execute(
        sa.update(_events)
        .where(_e.source_id.is_not(None))
        .values(source_id=sa.literal("order:", sa.Text()).concat(_e.source_id))
    )


def _number_names(connection: sa.Connection) -> _Numbers:
    """Store the names of events in the order in which they came; return their numbers."""
    first = sa.func.min(_e.event).label("first")
    found = sa.select(_e.workspace, _e.name, first).group_by(_e.workspace, _e.name)
    numbers: _Numbers = {}
    following: dict[int, int] = {}
    for workspace, name, _ in sorted(connection.execute(found).all(), key=itemgetter(0, 2)):
        of_names = numbers.setdefault(workspace, {})
        # A name may have been sent in several forms of Unicode.
        normal = text.to_nfc(name)
        if normal not in of_names:
            of_names[normal] = following.setdefault(workspace, 1)
            following[workspace] += 1
            row = {"workspace": workspace, "number": of_names[normal], "name": normal}
            connection.execute(sa.insert(_names).values(row))
        of_names[name] = of_names[normal]
    for workspace, number in following.items():
        this = _workspaces.c.workspace == workspace
        connection.execute(sa.update(_workspaces).where(this).values(next_event_name=number))
    return numbers


def _number_events(connection: sa.Connection, workspace: int, numbers: dict[str, int]) -> None:
    """Give the events of a workspace the numbers of their names."""
    names = list(numbers.items())
    for start in range(0, len(names), _NAMES_PER_UPDATE):
        some = dict(names[start : start + _NAMES_PER_UPDATE])
        number = sa.case(some, value=_e.name)
        here = sa.update(_events).where(_e.workspace == workspace, _e.name.in_(list(some)))
        connection.execute(here.values(stream=number))


def _compute_states(connection: sa.Connection, numbers: _Numbers) -> None:
    """Store the states of all contacts, and take back the numbers of events that machines caused."""
    rows: list[dict[str, Any]] = []
    for (workspace, pk), events in itertools.groupby(_read_events(connection), key=itemgetter(0, 1)):
        states: dict[int, EventState] = {}
        for _, _, kind, at, event, name, body in events:
            counted = count_event(read_properties(kind, body), at)
            if counted is None:
                this = sa.update(_events).where(_e.workspace == workspace, _e.event == event)
                connection.execute(this.values(stream=None))
            else:
                stream = numbers[workspace][name]
                states[stream] = add_event(states.get(stream), counted)
        rows += [_row_of(workspace, pk, stream, state) for stream, state in states.items()]
        if len(rows) >= _STATES_PER_WRITE:
            connection.execute(sa.insert(_states), rows)
            rows = []
    if rows:
        connection.execute(sa.insert(_states), rows)


def _read_events(connection: sa.Connection) -> Iterator[Any]:
    """Yield all events in the order of their contacts."""
    key = (_e.workspace, _e.pk, _e.kind, _e.happened_at, _e.event)
    page = sa.select(*key, _e.name, _e.body).order_by(*key).limit(_EVENTS_PER_READ)
    after: Sequence[Any] = (0, 0, "", 0, 0)
    while rows := connection.execute(page.where(_follow(key, after))).all():
        after = rows[-1][: len(key)]
        yield from rows


def _follow(key: Sequence[Any], after: Sequence[Any]) -> Any:
    bound = (sa.literal(value, column.type) for column, value in zip(key, after, strict=True))
    return sa.tuple_(*key) > sa.tuple_(*bound)


def _row_of(workspace: int, pk: int, stream: int, state: EventState) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "pk": pk,
        "stream": stream,
        "count": state.count,
        "first_at": state.first_at,
        "last_at": state.last_at,
        "revenue": str(state.revenue),
        "recent": pack_instants(state.recent),
    }
