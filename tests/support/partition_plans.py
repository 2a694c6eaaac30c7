"""Counts the partitions that a statement touches, as PostgreSQL plans it with its values.

PostgreSQL does not know before it runs which partitions a subquery needs whose workspace comes from another
table, so it counts all of them; a distributed database would refuse it or ask all shards.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from diglot.storage.sql.backend import Sql
from support.partitioned_tables import PARTITION_COUNT, PARTITIONED, partition_number

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
    inserts = [node for node in _iterate_nodes(plan) if _inserts(node)]
    if not all(map(_is_routed, inserts)):
        return PARTITION_COUNT
    return len(_partitions_in(plan)) or min(len(inserts), 1)


def _partitions_in(plan: Plan) -> set[int]:
    numbers = (partition_number(node.get("Relation Name", "")) for node in _iterate_nodes(plan))
    return {number for number in numbers if number is not None}


def _inserts(node: Plan) -> bool:
    return node.get("Operation") == "Insert" and node["Relation Name"] in PARTITIONED


def _is_routed(insert: Plan) -> bool:
    """Tell whether the plan says where rows go; a row finds its partition when it is inserted.

    One row has one partition. Many have that of the rows that they are made from.
    """
    (source,) = (child for child in insert["Plans"] if child["Parent Relationship"] == "Outer")
    return source["Node Type"] == "Result" or bool(_partitions_in(source))


def _iterate_nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _iterate_nodes(child)
