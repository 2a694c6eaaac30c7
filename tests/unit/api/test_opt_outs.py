"""Columns of an import about opting out: rows of the spec, each read alone, in a file and in JSON."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from diglot.api.imports.files import read_file
from diglot.api.imports.rows import FileRow
from diglot.api.opt_outs.columns import KNOWN_COLUMNS, Reading
from diglot.api.opt_outs.names import LONGEST_NAME, column_of
from diglot.api.opt_outs.reader import MOST_FAULTS, OptOuts
from diglot.api.opt_outs.values import status_of
from diglot.conditions.fields import STATUSES, stricter
from diglot.conditions.operands import OperandError
from diglot.errors import InvalidInput

FILE = Path(__file__).parents[2] / "spec" / "imports" / "opt-outs.json"
ROWS = [(row["column"], row["values"]) for row in json.loads(FILE.read_text(encoding="utf-8"))["columns"]]
Values = list[list[Any]]
REFUSED = "refused"


def _judged(column: str, value: Any) -> str | None:
    if (known := column_of(column)) is None:
        return None
    try:
        return status_of(known, value)
    except OperandError:
        return REFUSED


def _file(*cells: list[str]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(cells)
    return written.getvalue().encode()


@pytest.mark.parametrize(("column", "values"), ROWS)
def test_row(column: str, values: Values) -> None:
    """Each value lowers to the status of its row, changes nothing, or is unknown."""
    results = [[value, _judged(column, value)] for value, _ in values]
    assert results == values
    assert {outcome for _, outcome in values} <= {None, REFUSED, *STATUSES[1:]}


@pytest.mark.parametrize(("column", "values"), ROWS)
def test_row_in_a_file(column: str, values: Values) -> None:
    """A file is read in the same way; an unknown value is a fault with column, row and value."""
    for value, outcome in [pair for pair in values if isinstance(pair[0], str)]:
        body = _file(["email", column], ["a@example.com", ""], ["b@example.com", value])
        if outcome == REFUSED:
            with pytest.raises(InvalidInput) as refused:
                read_file(body, 10)
            (fault,) = refused.value.faults
            assert fault.path == ("rows", 3, column)
            assert f"'{value}' is not understood: rename the column" in fault.message
        else:
            lowered = [
                content.lowered for _, content in read_file(body, 10).rows if isinstance(content, FileRow)
            ]
            assert lowered == [None, outcome], value


@pytest.mark.parametrize(("tool", "name", "column"), KNOWN_COLUMNS)
def test_known_column(tool: str, name: str, column: object) -> None:
    """A known column is found in any case, with any punctuation; no two rows of the table contradict."""
    assert tool
    for spelling in (name, name.upper(), name.lower().replace(" ", "_"), name.replace("_", "-")):
        assert column_of(spelling) == column, spelling


def test_a_flag_is_not_stored_as_an_attribute() -> None:
    """A flag only sets the status; times, consent and prefixed columns stay attributes."""
    names = ["opt_out", "UNSUB_TIME", "consent", "custom_fields.optOut", "metadata.unsubscribed", "metadata"]
    cells = ["yes", "2024-05-01", "yes", "1", "no", '{"email_opt_out": "no", "dnc": 2}']
    ((_, content),) = read_file(_file(["email", *names], ["a@example.com", *cells]), 10).rows
    assert isinstance(content, FileRow)
    assert content.values.attributes == {
        "UNSUB_TIME": "2024-05-01",
        "consent": "yes",
        "optOut": "1",
        "unsubscribed": "no",
        "email_opt_out": "no",
        "dnc": 2,
    }
    assert content.lowered == "bounced"


def test_each_column_has_one_fault() -> None:
    """A column of unknown values is one fault, and so is each other column."""
    body = _file(["email", "opt_out", "consent"], *[["a@example.com", "perhaps", "later"]] * 3)
    with pytest.raises(InvalidInput) as refused:
        read_file(body, 10)
    assert [fault.path for fault in refused.value.faults] == [("rows", 2, "opt_out"), ("rows", 2, "consent")]


def test_the_number_of_faults_is_limited() -> None:
    """Many columns of unknown values do not make an endless response."""
    read = OptOuts()
    read.read_object({f"opt_out {number}": "perhaps" for number in range(2 * MOST_FAULTS)}, ())
    assert len(read.faults) == MOST_FAULTS


def test_a_long_name_is_no_flag() -> None:
    """No attribute has such a key."""
    assert column_of("opt_out" + " " * LONGEST_NAME) is None


def test_every_reading_has_a_row() -> None:
    """Rows test each way to read a column; those of the presets test the words of a tool."""
    used = {column.reading for name, _ in ROWS if (column := column_of(name)) is not None}
    assert used == set(Reading) - {Reading.WORDS}


@pytest.mark.parametrize("one", [None, *STATUSES])
def test_the_strictest_wins(one: str | None) -> None:
    """The order is complained, bounced, unsubscribed, subscribed, and values that change nothing."""
    order = [None, *STATUSES]
    for other in order:
        assert stricter(one, other) == order[max(order.index(one), order.index(other))]
