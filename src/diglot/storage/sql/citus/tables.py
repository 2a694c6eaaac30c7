"""Distributes tables with the functions of Citus, in the transaction of the caller."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, text

from diglot.errors import Misconfigured
from diglot.storage.sql.backend import ONE
from diglot.storage.sql.citus.cluster import has_citus
from diglot.storage.sql.database import TablePlacement

# As the view `citus_tables` tells the kinds apart; the view itself asks every node for sizes.
_READ = text(
    "SELECT CASE WHEN partkey IS NOT NULL THEN 'distributed' WHEN repmodel = 't' THEN 'reference' "
    "ELSE 'local' END, column_to_column_name(logicalrelid, partkey), colocationid "
    "FROM pg_dist_partition WHERE logicalrelid = to_regclass(:table)"
)
_COPY_TO_ALL = text("SELECT create_reference_table(to_regclass(:table))")
_DISTRIBUTE = text(
    "SELECT create_distributed_table("
    "to_regclass(:table), :column, colocate_with => :beside, shard_count => CAST(:shards AS int))"
)
_KINDS: Final = {"reference": "a reference table", "local": "a local table of Citus"}


@dataclass(frozen=True, slots=True)
class _State:
    """How Citus keeps a table."""

    kind: str
    column: str | None
    colocation: int

    def describe(self) -> str:
        """Return the state in words."""
        return _KINDS.get(self.kind, f"distributed by {self.column}")


_States = Mapping[str, _State]


def distribute_tables(connection: Connection, placements: Sequence[TablePlacement]) -> list[str]:
    """Distribute the tables that are not distributed yet, and return their names.

    Raise `Misconfigured` if one of them has rows, or if one is distributed in another way.
    """
    states = dict(_read_states(connection, placements))
    for placement in placements:
        _require_right(placement, states)
    missing = [placement for placement in placements if placement.name not in states]
    for placement in missing:
        _require_empty(connection, placement)
    for placement in missing:
        _distribute(connection, placement)
    return [placement.name for placement in missing]


def find_local_tables(connection: Connection, placements: Sequence[TablePlacement]) -> list[str] | None:
    """Return the names of the tables that are not distributed, although others are; None if none is."""
    states = dict(_read_states(connection, placements)) if has_citus(connection) else {}
    placed = {name for name, state in states.items() if state.kind != "local"}
    return [placement.name for placement in placements if placement.name not in placed] if placed else None


def _read_states(
    connection: Connection, placements: Iterable[TablePlacement]
) -> Iterable[tuple[str, _State]]:
    for placement in placements:
        row = connection.execute(_READ, {"table": placement.name}).one_or_none()
        if row is not None:
            yield placement.name, _State(*row)


def _require_right(placement: TablePlacement, states: _States) -> None:
    """Raise `Misconfigured` if a table is distributed, but not as it has to be."""
    state = states.get(placement.name)
    fault = None if state is None else _find_fault(placement, state, states)
    if fault is not None:
        raise Misconfigured(
            f"table {placement.name} {fault}: undo that with undistribute_table, or start with a new database"
        )


def _find_fault(placement: TablePlacement, state: _State, states: _States) -> str | None:
    wanted = _State("reference" if placement.column is None else "distributed", placement.column, 0)
    if (state.kind, state.column) != (wanted.kind, wanted.column):
        return f"is {state.describe()}, not {wanted.describe()}"
    beside = state if placement.beside is None else states.get(placement.beside)
    if beside is None or beside.colocation != state.colocation:
        return f"has shards apart from those of {placement.beside}"
    return None


def _require_empty(connection: Connection, placement: TablePlacement) -> None:
    first = select(ONE).select_from(placement.table).limit(1)
    if not placement.may_have_rows and connection.execute(first).first() is not None:
        raise Misconfigured(
            f"table {placement.name} has rows, and only empty tables are distributed: distribute a new "
            "database, and copy the rows into it with pg_dump --data-only"
        )


def _distribute(connection: Connection, placement: TablePlacement) -> None:
    if placement.column is None:
        connection.execute(_COPY_TO_ALL, {"table": placement.name})
        return
    values = {
        "table": placement.name,
        "column": placement.column,
        "beside": placement.beside or "none",
        "shards": placement.shards,
    }
    connection.execute(_DISTRIBUTE, values)
