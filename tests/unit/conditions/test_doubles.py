"""Doubles in the lists of `in` on SQLite, whose own conversion of decimals may be off by the last bit."""

import math
import struct
from contextlib import closing
from random import Random
from typing import Any

import pytest
from sqlalchemy import BindParameter, Float, bindparam, column, select, table
from sqlalchemy.types import TypeEngine

from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_module import sqlite3

STORED = table("stored", column("number", Float(53)))
EDGES = (5e-324, 2.2250738585072014e-308, 2.5e-310, 1e-20, 0.1, 0.3, -0.5, 99.99, 4.0, 2.0**52 + 0.5, -0.0)


def find_equal(stored: list[float], wanted: list[float]) -> list[float]:
    """Return the stored numbers that SQLite considers equal to a listed one."""
    values: dict[str, Any] = {}

    def bind(value: Any, kind: TypeEngine[Any]) -> BindParameter[Any]:
        name = f"p{len(values)}"
        values[name] = SQLITE.encode_list(value) if isinstance(value, list) else value
        return bindparam(name, type_=kind)

    sql = SQLITE.compile(
        select(STORED.c.number).where(SQLITE.one_of(STORED.c.number, wanted, Float(53), bind))
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE stored (number FLOAT)")
        connection.executemany("INSERT INTO stored VALUES (?)", [(number,) for number in stored])
        return [number for (number,) in connection.execute(sql.text, sql.positional_values(values))]


def sample_doubles(seed: int) -> list[float]:
    """Return doubles of every magnitude below the catalog's limit, and some that people write."""
    rng = Random(seed)
    patterns = [struct.unpack(">d", rng.randbytes(8))[0] for _ in range(2000)]
    written = [round(rng.random() * 100, rng.randrange(1, 17)) for _ in range(2000)]
    return [*EDGES, *written, *(number for number in patterns if abs(number) < 2**53)]


@pytest.mark.parametrize("seed", range(3))
def test_a_list_of_doubles_is_exact(seed: int) -> None:
    """Every listed double is found, and none that is off by the last bit."""
    wanted = sample_doubles(seed)
    beside = {math.nextafter(number, math.inf) for number in wanted} - set(wanted)
    assert len(find_equal(wanted, wanted)) == len(wanted)
    assert find_equal(sorted(beside), wanted) == []
