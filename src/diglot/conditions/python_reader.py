"""Compiles the function that reads the values of a contact which the functions of conditions compare.

The values have a function of their own, because the functions of a workspace often read the same values: a
view of a contact reads them once for all of these. Measured with three functions for 1,000 segments of three
rules: 57 us for each contact if each function reads them, 50 us if one does.

A read is an expression over the contact, the clock and other reads. Its number is the same in all functions,
so that functions with the same reads share one that reads.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import count
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import python_runtime
from diglot.conditions.contact_view import ReadFunction

# What generated functions call.
HELPERS: Final[dict[str, Any]] = {name: getattr(python_runtime, name) for name in python_runtime.__all__}
# Numbers and functions that are forgotten are only shared no longer.
_MAX_REMEMBERED_NUMBERS: Final = 10_000
_MAX_REMEMBERED_READERS: Final = 64
_numbers: Final = count()


@lru_cache(maxsize=_MAX_REMEMBERED_NUMBERS)
def number_read(expression: str) -> int:
    """Return the number of a read, which is higher than those of the reads in its expression."""
    del expression
    return next(_numbers)


def compile_reader(reads: Mapping[str, int], zone: ZoneInfo) -> tuple[ReadFunction, str]:
    """Return the function that reads numbered expressions, and the local variables for what it returns."""
    ordered = tuple(sorted(reads.items(), key=lambda read: read[1]))
    return _compile_ordered(ordered, zone), _list_variables(ordered)


@lru_cache(maxsize=_MAX_REMEMBERED_READERS)
def _compile_ordered(reads: tuple[tuple[str, int], ...], zone: ZoneInfo) -> ReadFunction:
    lines = ["def read(s, now):", *(f"    r{number} = {expression}" for expression, number in reads)]
    source = "\n".join([*lines, f"    return ({_list_variables(reads)})"])
    namespace = HELPERS | {"zone": zone}
    exec(compile(source, "<reads>", "exec"), namespace)  # noqa: S102 - no operand is part of it
    read: ReadFunction = namespace["read"]
    return read


def _list_variables(reads: tuple[tuple[str, int], ...]) -> str:
    return "".join(f"r{number}, " for _, number in reads)
