"""Warnings about what an import reads."""

from typing import Final
from zoneinfo import ZoneInfo

import pytest

from diglot.api.imports.contact_file import open_contact_file
from diglot.api.imports.warnings import values
from diglot.api.imports.warnings.codes import IMPORT_WARNING_CODES, MOST_WARNINGS
from diglot.model.imports import FileWarning, ImportOptions, ImportProgress

UTC: Final = ZoneInfo("UTC")
NO_OPTIONS: Final = ImportOptions()


def warnings_of(text: str, options: ImportOptions = NO_OPTIONS) -> list[FileWarning]:
    """Return the warnings about a file."""
    file = open_contact_file(options, UTC, 0)
    assert file.warnings == []
    file.feed(text.encode(), is_final=True)
    file.check()
    assert {one.code for one in file.warnings} <= set(IMPORT_WARNING_CODES)
    return file.warnings


def codes_of(text: str, options: ImportOptions = NO_OPTIONS) -> list[tuple[str, str]]:
    """Return the column and the code of each warning about a file."""
    return [(one.path, one.code) for one in warnings_of(text, options)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("email,status", []),
        ("email,unsubscribed", []),
        ("email", [("", "no_opt_outs")]),
        ("email,status,frist_name", [("frist_name", "near_field")]),
        ("email,status,Creation Date,Last Opened", [("Last Opened", "near_field")]),
        ("email,status,frist_name,First Name", []),
        ("email,status,name,Country,Title,Phone2", [("Phone2", "near_field")]),
        ("email,status,Phone2,Phone", []),
        ("email,status,id,Updated At,list_id", [("id",), ("Updated At",), ("list_id",)]),
        ("email,status,diglot_row,diglot_reason", []),
        ("email,status,metadata", []),
    ],
)
def test_columns(header: str, expected: list[tuple[str, ...]]) -> None:
    """A column is told if it is almost a field that no column sets, or if it is left out."""
    wanted = [one if len(one) == 2 else (one[0], "ignored") for one in expected]
    assert codes_of(f"{header}\na@example.com\n") == wanted


def test_options_say_what_is_meant() -> None:
    """A mapped column is as it should be, and so is a file of contacts that are all lowered."""
    mapping = {"frist_name": "attributes.frist_name", "id": ""}
    text = "email,frist_name,id\na@example.com,A,1\n"
    assert codes_of(text, ImportOptions(mapping=mapping, status="unsubscribed")) == []
    assert codes_of(text, ImportOptions(mapping=mapping)) == [("", "no_opt_outs")]


def test_a_preset_of_another_tool() -> None:
    """It is told, if no column of the file is the tool's."""
    text = "email,status\na@example.com,subscribed\n"
    (warning,) = warnings_of(text, ImportOptions(preset="google"))
    assert warning == FileWarning(
        "", "unused_preset", "The file has none of the columns that the preset google is for"
    )
    assert codes_of("E-mail 1 - Value,status\na@example.com,\n", ImportOptions(preset="google")) == []


@pytest.mark.parametrize(
    "cell", ["subscribed", "Unsubscribed", "bounced", "yes", "no", "1", "0", "✓", "n/a", "pending", ""]
)
def test_values_that_are_understood(cell: str) -> None:
    """A word about subscriptions is no surprise in a column for a status."""
    known = [] if cell != "pending" else [("Contact Status", "unread_values")]
    assert codes_of(f"email,Contact Status\na@example.com,{cell}\n") == known


def test_values_that_are_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted for each column, also more of them than are remembered."""
    monkeypatch.setattr(values, "_MOST_REMEMBERED", 2)
    cells = "Customer", "Lead", "Partner", "Customer", "unsubscribed"
    text = "email,Lead Status,unsubscribe_url,bounce rate\n" + "".join(
        f"p{n}@example.com,{cell},https://example.com,0.5\n" for n, cell in enumerate(cells)
    )
    assert warnings_of(text + "short@example.com\n") == [
        FileWarning(
            "Lead Status",
            "unread_values",
            "The column lowers no status in 4 rows, because the value is unknown",
        )
    ]


def test_there_are_some_of_each_kind() -> None:
    """A file with many columns has no more warnings than people read."""
    many = ",".join(f"frist_name{'x' * (n % 2)}{n}" for n in range(40))
    near = ",".join(["phone" + letter for letter in "abcdefghijklmnopqrstuvwxyz"])
    found = codes_of(f"email,status,{near},{many}\na@example.com\n")
    assert len(found) == MOST_WARNINGS


def test_a_job() -> None:
    """Its warnings are about the columns, then the rows that are refused, most of them first."""
    first = FileWarning("id", "ignored", "left out")
    progress = ImportProgress(warnings=[first], refused_values={"plan": 1, "email": 1_200}, uncertain_rows=2)
    assert values.list_warnings(progress) == [
        first,
        FileWarning("email", "refused_values", "1,200 rows are refused for the value"),
        FileWarning("plan", "refused_values", "1 row is refused for the value"),
        FileWarning(
            "",
            "uncertain_rows",
            "2 rows repeat an address far above; counted as changed, although the contact may be unchanged",
        ),
    ]
    assert values.list_warnings(ImportProgress()) == []
