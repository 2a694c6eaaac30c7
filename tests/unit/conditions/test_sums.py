"""The instants at which a question about a sum changes its answer, by a naive sum for every window."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

import pytest

from diglot.conditions.events.sum_tests import SumTest, read_test, write_test
from diglot.conditions.histories.sums import add_all, add_up_back, find_jumps
from diglot.conditions.python_runtime import is_odd_since
from support.reporting import SEED, Tally

AMOUNTS = ("0.1", "0.2", "-0.3", "5", "-5", "0", "0.05", "1E+300", "-1E+300", "1E-300")
TESTS: Sequence[tuple[str, list[float]]] = (
    *(("gt", [0.0]), ("gt", [5.0])),
    *(("gte", [0.3]), ("gte", [-5.0])),
    *(("in", [0.3, -5, 0]), ("in", [])),
)


def test_a_sum_of_any_window_follows_from_the_jumps(pytestconfig: pytest.Config, tally: Tally) -> None:
    """Negative amounts and several of one instant included; each window begins at an instant or beside it."""
    rng, compared = Random(pytestconfig.stash[SEED]), 0
    for _ in range(300):
        instants = sorted((rng.randrange(12) for _ in range(rng.randrange(9))), reverse=True)
        amounts = [Decimal(rng.choice(AMOUNTS)) for _ in instants]
        for word, numbers in TESTS:
            test = read_test(write_test(word, numbers))
            jumps = find_jumps(add_up_back(instants, amounts), test.compare)
            for since in range(-1, 13):
                counted = [amount for at, amount in zip(instants, amounts, strict=True) if at >= since]
                expected = test.meets(add_all(counted))
                assert is_odd_since(jumps, since) ^ test.meets(Decimal(0)) == expected
                compared += 1
    tally("windows of sums compared with a naive sum", "all", compared)


def test_amounts_that_are_not_negative_jump_once() -> None:
    """Going back, the sum becomes more than the number once, at the oldest event that it needs for that."""
    test = SumTest("gt", (Decimal(3),))
    assert find_jumps(add_up_back([9, 8, 7, 7, 6], [Decimal(1)] * 5), test.compare) == (7,)
    assert find_jumps(add_up_back([9, 8], [Decimal(1)] * 2), test.compare) == ()


def test_equal_tests_have_one_text() -> None:
    """However a number is spelled, and in whatever order several stand."""
    assert write_test("in", [2, 5.0, 1e2, 5]) == write_test("in", [100, 5, 2.0]) == "in 2 5 1E+2"
    assert read_test("in 2 5 1E+2").meets(Decimal("100.00"))
    assert not read_test("in").meets(Decimal(0))


def test_a_test_of_many_numbers_is_read_once() -> None:
    """It is remembered by its bytes, and means the same as a short one."""
    text = write_test("in", range(1_000))
    test = read_test(text)
    assert test is read_test(text)
    assert test.meets(Decimal(999))
    assert not test.meets(Decimal(1_000))
