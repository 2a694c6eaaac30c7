"""The answers of Citus's functions in a database without Citus, so that the statements that ask it run.

The functions refuse what Citus 13.2 refuses: a table before one that it refers to, a unique key without the
column of the shards, work in parallel, a second placement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

VERSION: Final = "Citus 13.2.2 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit"
_INSTALL: Final = """
CREATE SCHEMA citus;
ALTER DATABASE {name} SET search_path = public, citus;
CREATE TABLE citus.pg_dist_node (nodename text, nodeport int, isactive bool, noderole text, answers bool);
INSERT INTO citus.pg_dist_node VALUES
    ('db1', 5432, true, 'primary', true), ('db2', 5432, true, 'primary', true),
    ('standby', 5432, true, 'secondary', false), ('disabled', 5432, false, 'primary', false);
CREATE TABLE citus.pg_dist_partition (
    logicalrelid regclass PRIMARY KEY, partkey text, repmodel "char", colocationid int, shards int
);
CREATE FUNCTION citus.citus_version() RETURNS text LANGUAGE sql AS $$ SELECT '{version}' $$;
CREATE FUNCTION citus.citus_is_coordinator() RETURNS bool LANGUAGE sql AS 'SELECT {is_coordinator}';
CREATE FUNCTION citus.citus_check_connection_to_node(nodename text, nodeport int DEFAULT 5432)
    RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('citus.node_connection_timeout') <> '5s' THEN
        RAISE EXCEPTION 'a node that hangs would not be noticed for half a minute';
    END IF;
    RETURN (SELECT answers FROM citus.pg_dist_node AS n WHERE n.nodename = $1 AND n.nodeport = $2);
END $$;
CREATE FUNCTION citus.forget_dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM citus.pg_dist_partition
    WHERE logicalrelid IN (SELECT objid FROM pg_event_trigger_dropped_objects());
END $$;
CREATE EVENT TRIGGER forget_dropped ON sql_drop EXECUTE FUNCTION citus.forget_dropped();
CREATE FUNCTION citus.column_to_column_name(table_name regclass, column_var_text text)
    RETURNS text LANGUAGE sql AS 'SELECT column_var_text';
CREATE FUNCTION citus.place(placed regclass, partkey text, repmodel "char", colocation int, shards int)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('citus.multi_shard_modify_mode') <> 'sequential'
        OR current_setting('citus.enable_local_reference_table_foreign_keys') <> 'off' THEN
        RAISE EXCEPTION 'the settings of the transaction are missing';
    ELSIF EXISTS (SELECT FROM citus.pg_dist_partition WHERE logicalrelid = placed) THEN
        RAISE EXCEPTION 'table "%" is already distributed', placed;
    ELSIF EXISTS (
        SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = placed
        AND NOT EXISTS (
            SELECT FROM citus.pg_dist_partition WHERE logicalrelid = confrelid
            AND (pg_dist_partition.repmodel = 't' OR colocationid = colocation)
        )
    ) THEN
        RAISE EXCEPTION 'a table that "%" refers to must be a distributed table or a reference table', placed;
    ELSIF EXISTS (
        SELECT FROM pg_index WHERE indrelid = placed AND indisunique AND partkey IS NOT NULL
        AND NOT (SELECT attnum FROM pg_attribute WHERE attrelid = placed AND attname = partkey)
            = ANY (indkey)
    ) THEN
        RAISE EXCEPTION 'cannot create constraint on "%"', placed;
    END IF;
    INSERT INTO citus.pg_dist_partition VALUES (placed, partkey, repmodel, colocation, shards);
END $$;
CREATE FUNCTION citus.create_reference_table(table_name regclass) RETURNS void LANGUAGE sql AS
    $$ SELECT citus.place(table_name, NULL, 't', 1, NULL) $$;
CREATE FUNCTION citus.create_distributed_table(
    table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
    colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL
) RETURNS void LANGUAGE sql AS $$
    SELECT citus.place(table_name, distribution_column, 's', CASE colocate_with
        WHEN 'none' THEN (SELECT coalesce(max(colocationid), 1) + 1 FROM citus.pg_dist_partition)
        ELSE (SELECT colocationid FROM citus.pg_dist_partition WHERE logicalrelid = colocate_with::regclass)
    END, shard_count) $$;
"""


@dataclass(frozen=True)
class Placed:
    """Where a table is; `shards` is None unless it has a number of shards of its own."""

    column: str | None
    colocation: int
    shards: int | None


async def install(url: str, version: str = VERSION, *, is_coordinator: bool = True) -> None:
    """Make a database answer as one of Citus."""
    name = urlsplit(url).path.removeprefix("/")
    await run(url, _INSTALL.format(name=name, version=version, is_coordinator=is_coordinator))


async def run(url: str, statements: str) -> None:
    """Run statements in one transaction."""
    await _run(url, statements, "execute")


async def read_placements(url: str) -> dict[str, Placed]:
    """Return where each table is that is placed, by its name."""
    columns = "logicalrelid::text, partkey, colocationid, shards"
    rows = await _run(url, f"SELECT {columns} FROM citus.pg_dist_partition", "fetch")
    return {name: Placed(*placed) for name, *placed in rows}


async def _run(url: str, statements: str, method: str) -> Sequence[Any]:
    connection: Any = await asyncpg.connect(url)
    try:
        result: Sequence[Any] = await getattr(connection, method)(statements)
    finally:
        await connection.close()
    return result
