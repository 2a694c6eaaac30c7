"""A statement gets every value that it names."""

import pytest
from sqlalchemy import bindparam, insert, select

from diglot.storage.schema import segments, workspace_profiles
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.sqlite_dialect import SQLITE


@pytest.mark.parametrize("backend", [SQLITE, POSTGRESQL], ids=lambda backend: backend.name)
def test_a_value_that_the_caller_forgot_is_an_error(backend: Backend) -> None:
    """The statement raises KeyError, because a NULL in place of the value would hide the mistake."""
    profile = workspace_profiles.c
    sql = backend.compile(select(profile.name).where(profile.workspace == bindparam("workspace")))
    assert sql.positional_values({"workspace": 7}) == [7]
    with pytest.raises(KeyError, match="workspace"):
        sql.positional_values({})


@pytest.mark.parametrize("backend", [SQLITE, POSTGRESQL], ids=lambda backend: backend.name)
def test_an_insert_names_every_column(backend: Backend) -> None:
    """An insert raises KeyError for a column without a value, even if the column accepts NULL."""
    sql = backend.compile(insert(segments))
    row = dict.fromkeys(segments.c.keys(), 1)
    assert len(sql.positional_values(row)) == len(row)
    del row["history_since_entry"]
    with pytest.raises(KeyError, match="history_since_entry"):
        sql.positional_values(row)
