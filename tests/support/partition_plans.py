"""Counts the partitions that a statement touches, as PostgreSQL plans it with its values.

PostgreSQL does not know before it runs which partitions a subquery needs whose workspace comes from another
table, so it counts all of them; a distributed database would refuse it or ask all shards.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from diglot.storage.sql.backend import Sql
from diglot.storage.sql.database import TablePlacement
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
# The first column of an INSERT and its rows, and the first value of a row: a parameter whatever its type.
_SENT_ROWS: Final = re.compile(
    r"INSERT INTO [\w.]+ \((\w+), [^)]*\) VALUES \((.*?)\)(?= ON CONFLICT| RETURNING|$)"
)
_FIRST_VALUE: Final = re.compile(r"^\$\d+|^[^,]*")


async def count_partitions(connection: Any, text: str, values: Sequence[Any]) -> int:
    """Return the number of partitions that a statement touches with its values; all of them if none shows."""
    plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *values))
    return count_in_plan(plan[0]["Plan"], text)


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


def count_in_plan(plan: Plan, text: str) -> int:
    """Return the number of partitions that the nodes of a plan touch, given its statement."""
    inserts = [node for node in _iterate_nodes(plan) if _inserts(node)]
    if not all(_is_routed(insert, text) for insert in inserts):
        return PARTITION_COUNT
    return len(_partitions_in(plan)) or min(len(inserts), 1)


def _partitions_in(plan: Plan) -> set[int]:
    numbers = (partition_number(node.get("Relation Name", "")) for node in _iterate_nodes(plan))
    return {number for number in numbers if number is not None}


def _inserts(node: Plan) -> bool:
    return node.get("Operation") == "Insert" and node["Relation Name"] in PARTITIONED


def _is_routed(insert: Plan, text: str) -> bool:
    """Tell whether the plan says where rows go; a row finds its partition when it is inserted.

    One row has one partition. Many have that of the rows that they are made from, or the statement sends the
    same value for all of them, which a plan does not show.
    """
    (source,) = (child for child in insert["Plans"] if child["Parent Relationship"] == "Outer")
    if source["Node Type"] == "Values Scan":
        return _have_one_place(PARTITIONED[insert["Relation Name"]], text)
    return source["Node Type"] == "Result" or bool(_partitions_in(source))


def _have_one_place(placement: TablePlacement, text: str) -> bool:
    """Tell whether all rows that a statement sends have the same parameter for the column of partitions."""
    sent = _SENT_ROWS.match(text)
    if sent is None or sent[1] != placement.column:
        return False
    return len({_FIRST_VALUE.findall(row)[0] for row in sent[2].split("), (")}) == 1


def _iterate_nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _iterate_nodes(child)
