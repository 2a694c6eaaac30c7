"""The demo's segments are valid in the words of their dialect."""

import pytest

from diglot.api.dialect import Dialect
from diglot.api.rules.reading import read_condition
from diglot.conditions.check import check_condition
from diglot.dialects.registry import DIALECTS


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_demo_segment_is_the_condition_of_its_body(dialect: Dialect) -> None:
    """The new segment keeps the body as sent, and its tree is what the dialect reads from that body."""
    for segment in dialect.demo.segments:
        new = segment.to_new_segment(dialect.name, dialect.words)
        assert (new.name, new.description, new.type) == (segment.name, segment.description, segment.type)
        assert new.condition.original.dialect == dialect.name
        read = read_condition(segment.body, dialect.words)
        assert new.condition.tree == check_condition(read)
