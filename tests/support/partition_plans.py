"""Counts the partitions that a statement touches, as PostgreSQL plans it with its values.

PostgreSQL does not know before it runs which partitions a subquery needs whose workspace comes from another
table, so it counts all of them; a distributed database would refuse it or ask all shards.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from diglot.storage.schema import metadata
from diglot.storage.sql.backend import Sql
from support.partitioned_tables import COUNT, is_partitioned, partition_number

_TABLES: Final = frozenset(table.name for table in metadata.sorted_tables if is_partitioned(table))
_OF_TYPE: Final[Mapping[str, Any]] = {
    "int4": 1,
    "int8": 1,
    "float8": 1.0,
    "bool": True,
    "text": "1",
    "varchar": "1",
    "bytea": b"1",
}
Plan = Mapping[str, Any]


async def count_partitions(connection: Any, text: str, values: Sequence[Any]) -> int:
    """Return the number of partitions that a statement touches with its values; all of them if none shows."""
    plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *values))
    return count_in_plan(plan[0]["Plan"])


async def count_with_any_values(connection: Any, sql: Sql) -> int:
    """Return the number of partitions for values that only have the right types, of workspace 1."""
    prepared = await connection.prepare(sql.text)
    values = [
        sql.constants.get(name, _value_of_type(kind.name))
        for name, kind in zip(sql.parameter_names, prepared.get_parameters(), strict=True)
    ]
    return await count_partitions(connection, sql.text, values)


def _value_of_type(name: str) -> Any:
    return [_OF_TYPE[name.removesuffix("[]")]] * 2 if name.endswith("[]") else _OF_TYPE[name]


def count_in_plan(plan: Plan) -> int:
    """Return the number of partitions that the nodes of a plan touch."""
    nodes = list(_iterate_nodes(plan))
    numbers = {partition_number(node["Relation Name"]) for node in nodes if "Relation Name" in node} - {None}
    inserts = [node for node in nodes if _inserts(node)]
    if not inserts or numbers:
        return len(numbers)
    # Rows find their partitions when they are inserted. One row has one; of many, the plan does not tell.
    return 1 if all(_source_of(node)["Node Type"] == "Result" for node in inserts) else COUNT


def _source_of(insert: Plan) -> Plan:
    """Return the node that makes the rows; the parts of a joined statement are other children."""
    return next(child for child in insert["Plans"] if child["Parent Relationship"] == "Outer")


def _inserts(node: Plan) -> bool:
    return node.get("Operation") == "Insert" and node["Relation Name"] in _TABLES


def _iterate_nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _iterate_nodes(child)
