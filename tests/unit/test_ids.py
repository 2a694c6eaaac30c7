"""New ids are UUIDs of version 7."""

import time
from itertools import islice
from uuid import UUID

from diglot.model.ids import iterate_new_ids, new_id


def test_new_ids() -> None:
    """Drawn together or alone, they are of this time, never equal, and in order."""
    before = time.time_ns() // 1_000_000
    ids = [*islice(iterate_new_ids(), 1_000), *(new_id() for _ in range(100))]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == len(ids)
    assert sorted(ids) == ids
    for each in ids:
        parsed = UUID(each)
        assert str(parsed) == each
        assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")
        assert before <= parsed.int >> 80 <= after
    # Every random bit is drawn.
    random_bits = 2**62 - 1
    set_once = cleared_once = 0
    for bits in (UUID(each).int for each in ids[:1_000]):
        set_once, cleared_once = set_once | bits, cleared_once | ~bits
    assert set_once & cleared_once & random_bits == random_bits
