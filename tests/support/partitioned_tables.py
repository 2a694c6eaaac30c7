"""The tables of the schema, partitioned by workspace in a plain PostgreSQL as a distributed one has them.

PostgreSQL enforces the same rule for keys, and its plans show which partitions a statement touches. A real
distributed database has shards in place of partitions; it is in no package registry.
"""

import re
from typing import Final

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.schema import CreateSchema

from diglot.storage.schema import ephemeral_metadata, metadata, migrate
from diglot.storage.schema.distribution import list_placements
from diglot.storage.schema.revisions import LATEST

PARTITION_COUNT: Final = 4
# The tables that Citus would distribute by workspace; the others stay whole.
PARTITIONED: Final = frozenset(
    placement.name for placement in list_placements() if placement.column == "workspace"
)
_PARTITION: Final = re.compile(r"(\w+)_partition_(\d+)")


def create_partitioned(connection: Connection) -> None:
    """Create all tables in an empty database, at the latest revision."""
    copied = MetaData()
    for table in metadata.sorted_tables:
        copy = table.to_metadata(copied)
        if table.name in PARTITIONED:
            copy.dialect_options["postgresql"]["partition_by"] = "HASH (workspace)"
    copied.create_all(connection)
    for name in sorted(PARTITIONED):
        for number in range(PARTITION_COUNT):
            part = f"{name}_partition_{number} PARTITION OF {name}"
            rows = f"FOR VALUES WITH (MODULUS {PARTITION_COUNT}, REMAINDER {number})"
            connection.execute(text(f"CREATE TABLE {part} {rows}"))
    connection.execute(CreateSchema("ephemeral"))
    ephemeral_metadata.create_all(connection)
    scripts = ScriptDirectory.from_config(migrate._alembic_config())
    MigrationContext.configure(connection).stamp(scripts, LATEST)


def partition_number(relation: str) -> int | None:
    """Return the number of a partition by its name, None for another table."""
    found = _PARTITION.fullmatch(relation)
    return None if found is None else int(found[2])
