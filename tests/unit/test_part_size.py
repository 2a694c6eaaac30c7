"""The size of parts adapts to the time that they take."""

from itertools import pairwise

from diglot.service.parts import (
    FIRST_PART,
    LARGEST_PART,
    MAX_GROWTH,
    PART_SECONDS,
    SHARED_PART_SECONDS,
    SMALLEST_PART,
    PartSize,
)


def sizes(seconds_per_item: float, count: int = 10) -> list[int]:
    """Return the sizes of the first parts if each item takes so long."""
    size = PartSize()
    result = []
    for _ in range(count):
        result.append(size.items)
        size.adapt(size.items, size.items * seconds_per_item)
    return result


def test_a_fast_write_has_few_parts() -> None:
    """The size grows to the largest one, but not at once, because the next items may be slow."""
    found = sizes(1e-6)
    assert found[0] == FIRST_PART
    assert found[-1] == LARGEST_PART
    assert all(after <= MAX_GROWTH * before for before, after in pairwise(found))


def test_a_slow_write_gives_turns() -> None:
    """The part takes about the intended time, or is the smallest one."""
    found = sizes(PART_SECONDS / 100)
    assert found[-1] == 100
    assert sizes(PART_SECONDS)[-1] == SMALLEST_PART


def test_a_slow_part_makes_the_next_one_shorter() -> None:
    """A part that took far too long is followed by a small one."""
    size = PartSize(LARGEST_PART)
    size.adapt(LARGEST_PART, 100 * PART_SECONDS)
    assert size.items == LARGEST_PART // 100
    size.adapt(size.items, 0)
    assert size.items == MAX_GROWTH * (LARGEST_PART // 100)


def test_a_short_last_part_does_not_lower_the_size() -> None:
    """A few items take longer each, because a part has costs of its own."""
    size = PartSize(800)
    size.adapt(2, PART_SECONDS / 10)
    assert size.items == 800


def test_other_segments_begin_anew() -> None:
    """A size that was learned beside few segments would lock a workspace for long beside many."""
    size = PartSize(800)
    assert [size.begin(7), size.begin(7)] == [800, 800]
    assert [size.begin(8), size.begin(8)] == [FIRST_PART, FIRST_PART]


def test_parts_are_shorter_while_others_write() -> None:
    """The next part takes about the time that others may wait, not that of a part alone."""
    size = PartSize(300)
    size.adapt(300, PART_SECONDS / 2, SHARED_PART_SECONDS)
    assert size.items == int(300 * SHARED_PART_SECONDS / (PART_SECONDS / 2))
