"""The sample of the rows of the spec leaves out no kind of rule, and the seed draws it."""

import pytest

from support import spec_data
from support.truth_sample import sample, strata


@pytest.mark.parametrize("seed", range(5))
def test_every_stratum_stays(seed: int) -> None:
    """The sample has a tenth of the rows, and others that keep every operator, kind of field and case."""
    rows, chosen = spec_data.rows(), sample(10, seed)
    assert {stratum for row in chosen for stratum in strata(row)} == {
        item for row in rows for item in strata(row)
    }
    assert len(rows) / 10 < len(chosen) < len(rows) / 2


def test_other_seeds_draw_other_rows() -> None:
    """Several runs together cover all rows."""
    assert sample(10, 1) == sample(10, 1) != sample(10, 2)


def test_the_whole_sample_is_every_row() -> None:
    """With `--full` no row is left out."""
    assert sample(1, 1) == spec_data.rows()


def test_contacts_without_a_value_are_a_stratum() -> None:
    """Whether a missing value matches makes a stratum of its own."""
    (row,) = (row for row in spec_data.rows() if row.name == "everybody has to be asked for")
    assert strata(row) == {
        ("is_set", "text", "NoneType operand"),
        ("is_set", "text", "in UTC"),
        ("is_set", "text", "present in"),
    }
