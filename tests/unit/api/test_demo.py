"""The demo's segments: each dialect's own rules are valid in that dialect, and its call exists."""

import json
import re
from zoneinfo import ZoneInfo

import pytest

from diglot.api.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.model.workspaces import Caller

CALLER = Caller(1, ZoneInfo("UTC"), "", frozenset())
each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


@each_dialect
def test_every_segment_is_valid(dialect: Dialect) -> None:
    """A segment keeps the text of its dialect, and no two have the same name."""
    segments = dialect.demo.segments
    made = [segment.to_new_segment(dialect.name, dialect.words, CALLER) for segment in segments]
    assert [segment.type for segment in made] == [segment.type for segment in segments]
    assert len({segment.name for segment in made}) == len(made) > 0
    for segment, new in zip(segments, made, strict=True):
        assert new.condition.original.dialect == dialect.name
        assert json.loads(new.condition.original.text) == segment.body


@each_dialect
def test_the_call_exists(dialect: Dialect) -> None:
    """With a segment and without one."""
    paths = {re.sub(r"\{.*?\}", "ID", operation.path) for _, operation in dialect.operations}
    for segment_id in (None, "ID"):
        path, _, _ = dialect.demo.build_path(segment_id).partition("?")
        assert f"/{path}" in paths
