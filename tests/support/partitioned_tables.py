"""The tables of the schema, partitioned in a plain PostgreSQL as a distributed one has them on shards.

PostgreSQL enforces the same rule for keys, and its plans show which partitions a statement touches. A real
distributed database has shards in place of partitions; it is in no package registry.
"""

import re
from typing import Final

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.schema import CreateSchema

from diglot.storage.schema import ephemeral_metadata, metadata, migrate
from diglot.storage.schema.distribution import list_placements
from diglot.storage.schema.revisions import LATEST
from diglot.storage.sql.database import TablePlacement
from diglot.storage.sql.databases import LIMIT

PARTITION_COUNT: Final = 4
# The tables that Citus would distribute, by their names without a schema; the others stay whole.
PARTITIONED: Final = {
    placement.table.name: placement for placement in list_placements() if placement.column is not None
}
_PARTITION: Final = re.compile(r"(\w+)_partition_(\d+)")


def create_partitioned(connection: Connection) -> None:
    """Create all tables in an empty database, at the latest revision."""
    connection.execute(CreateSchema("ephemeral"))
    for tables in (metadata, ephemeral_metadata):
        copied = MetaData()
        for table in tables.sorted_tables:
            copy = table.to_metadata(copied)
            _limit_indexes(table, copy)
            if table.name in PARTITIONED:
                column = PARTITIONED[table.name].column
                copy.dialect_options["postgresql"]["partition_by"] = f"HASH ({column})"
        copied.create_all(connection)
    for placement in PARTITIONED.values():
        _create_partitions(connection, placement)
    scripts = ScriptDirectory.from_config(migrate._alembic_config())
    MigrationContext.configure(connection).stamp(scripts, LATEST)


def _limit_indexes(table: Table, copy: Table) -> None:
    """Give the partial indexes of a copy their limits, which SQLAlchemy does not copy."""
    limits = {index.name: index.info[LIMIT] for index in table.indexes if LIMIT in index.info}
    for index in copy.indexes:
        if index.name in limits:
            index.dialect_options["postgresql"]["where"] = limits[index.name]


def _create_partitions(connection: Connection, placement: TablePlacement) -> None:
    count = placement.shards or PARTITION_COUNT
    for number in range(count):
        part = f"{placement.name}_partition_{number} PARTITION OF {placement.name}"
        rows = f"FOR VALUES WITH (MODULUS {count}, REMAINDER {number})"
        connection.execute(text(f"CREATE TABLE {part} {rows}"))


def partition_number(relation: str) -> int | None:
    """Return the number of a partition by its name, None for another table."""
    found = _PARTITION.fullmatch(relation)
    return None if found is None else int(found[2])
