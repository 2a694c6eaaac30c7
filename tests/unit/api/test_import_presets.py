"""Files as common tools export them, each with the contacts that they mean: rows of the spec."""

import json
from pathlib import Path
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from diglot.api.imports.columns import ColumnOptions, check_options, list_custom_fields, read_header
from diglot.api.imports.delimited_text import RecordReader
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.rows import FileRow, RowReader
from diglot.api.input.contacts import LocalTime
from diglot.errors import InvalidInput

NOW: Final = 1_790_000_000_000_000
FOLDER: Final = Path(__file__).parents[2] / "spec" / "imports"
EXPECTED: Final = json.loads((FOLDER / "presets.json").read_text(encoding="utf-8"))["presets"]


def read_contacts(body: bytes, options: ColumnOptions) -> dict[str, Any]:
    """Return what a file means: its custom fields, and the values of each contact."""
    reader = RecordReader()
    reader.feed(body, is_final=True)
    records = reader.read()
    number, header = next(records)
    columns = read_header(header, number, options)
    rows = RowReader(columns)
    contacts = [_show(rows.read(number, cells)) for number, cells in records]
    if rows.opt_outs.faults:
        raise InvalidInput(rows.opt_outs.faults)
    return {"custom_fields": list_custom_fields(columns), "contacts": contacts}


def _show(row: FileRow) -> dict[str, Any]:
    change = row.values.to_change(LocalTime(ZoneInfo("UTC"), NOW), lowered=row.lowered)
    values = {name: value for name, value in change.values.items() if name != "email_as_sent"}
    return {**values, "attributes": change.attributes, "lowered": change.lowered}


@pytest.mark.parametrize("name", PRESETS)
def test_preset(name: str) -> None:
    """A file of the tool's shape gives the contacts of the spec, with the preset."""
    body = (FOLDER / "presets" / f"{name}.csv").read_bytes()
    assert read_contacts(body, ColumnOptions({}, name)) == EXPECTED[name]


def test_every_preset_has_a_file() -> None:
    """And no file is left without a preset."""
    assert set(EXPECTED) == set(PRESETS) == {file.stem for file in (FOLDER / "presets").iterdir()}


@pytest.mark.parametrize(("preset", "column"), [("listmonk", "status"), ("activecampaign", "Status")])
def test_unknown_words_refuse_the_file(preset: str, column: str) -> None:
    """A status that the tool does not have is not guessed."""
    body = f"email,{column}\na@example.com,perhaps\nb@example.com,\n".encode()
    with pytest.raises(InvalidInput, match="'perhaps' is not understood"):
        read_contacts(body, ColumnOptions({}, preset))


@pytest.mark.parametrize(
    ("header", "mapping", "first"),
    [
        ("Email Address,x", {}, {"attributes": {"x": "1"}}),
        ("x,E-mail 1 - Value", {}, None),
        ("Address,x", {"address": "email"}, {"attributes": {"x": "1"}}),
        ("email,x", {"X": "First-Name"}, {"first_name": "1", "attributes": {}}),
        ("email,x", {"x": "attributes.y z"}, {"attributes": {"y z": "1"}}),
        ("email,x", {"x": ""}, {"attributes": {}}),
        ("email,opt_out", {}, {"attributes": {}, "lowered": "unsubscribed"}),
        ("email,opt_out", {"opt_out": "attributes.opt_out"}, {"attributes": {"opt_out": "1"}}),
        ("email,opt_out", {"opt_out": ""}, {"attributes": {}}),
        ("email,Cell", {}, {"phone": "1", "attributes": {}}),
        ("email,Cell", {"Cell": "attributes.Cell"}, {"attributes": {"Cell": "1"}}),
    ],
)
def test_mapping(header: str, mapping: dict[str, str], first: dict[str, Any] | None) -> None:
    """A mapping outweighs a name, and takes an opt-out for what it says."""
    body = f"{header}\na@example.com,1\n".encode()
    if first is None:
        body = f"{header}\n1,a@example.com\n".encode()
        first = {"attributes": {"x": "1"}}
    (contact,) = read_contacts(body, ColumnOptions(mapping))["contacts"]
    assert contact == {"email": "a@example.com", "lowered": None} | first


def test_one_column_for_a_field() -> None:
    """The field's own name wins, then the first of the known names; the others stay custom fields."""
    body = b"Mobile Phone,Phone Number,email,Email Address\n1,2,a@example.com,b\n"
    (contact,) = read_contacts(body, ColumnOptions({}))["contacts"]
    attributes = {"Mobile Phone": "1", "Email Address": "b"}
    assert contact == {"phone": "2", "email": "a@example.com", "attributes": attributes, "lowered": None}


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (ColumnOptions({"a": "nonsense", "b": "", "c": "email"}), [("map", "a")]),
        (ColumnOptions({}, "unheard-of"), [("preset",)]),
    ],
)
def test_faults_of_options(options: ColumnOptions, paths: list[tuple[str, ...]]) -> None:
    """An unknown target or preset is refused with the place."""
    with pytest.raises(InvalidInput) as refused:
        check_options(options)
    assert [fault.path for fault in refused.value.faults] == paths


def test_columns_that_are_missing() -> None:
    """The fault lists the columns that are there and the nearest one."""
    names = ["eMali", "plan", *(f"c{number}" for number in range(20))]
    with pytest.raises(InvalidInput) as refused:
        read_header(names, 1, ColumnOptions({"plann": "company", "zzz": ""}))
    messages = [fault.message.partition("columns are ")[2] for fault in refused.value.faults]
    listed = ", ".join(names[:20]) + " and 2 more"
    assert messages == [f"{listed}; the nearest is plan", listed, f"{listed}; the nearest is eMali"]


CELLS: Final = {
    "email": ["a@example.com", "\ufeffA@Example.com ", "bad", "", "a@example.com\x00"],
    "First Name": ["Ada", "x" * 101, "a\x00", "", "é"],
    "plan": ["pro", "", "a\x00"],
    "opt_out": ["yes", "no", "", "perhaps"],
    "tags": ["a;b", ",", "", '"a', "a" * 101],
    "status": ["subscribed", "Cleaned", "", "enabled"],
    "subscribed": ["yes", "", "no", "ja"],
    "custom_fields": ["", '{"a": 1}', "[]", '{"plan": 2}'],
    "": ["", "x"],
    "total_opens": ["7", "1.5", "", "x"],
    "created_at": ["2020-05-01", "", "soon"],
    "id": ["1", ""],
}
# Whole addresses, and what stands within some.
ADDRESSES: Final = ["a@example.com", "é@bücher.example", "a@ex_ample.co", "“a@example.com", "'a@example.com"]
WITHIN: Final = [
    "",
    "%61",
    "%6",
    "\u200b",
    "\x7f",
    "\ud800",
    "\x00",
    ",",
    "x" * 250,
    ".",
    "-",
    "xn--",
    "\u2019",
]


def test_rows_are_read_alike() -> None:
    """The reader of plain rows gives what the reader that finds faults gives, or leaves the row to it."""
    random = Random(7)
    plain = 0
    for _ in range(2_000):
        names = random.sample(list(CELLS), random.randint(1, len(CELLS)))
        names = names if "email" in names else ["email", *names]
        rows = RowReader(read_header(names, 1))
        cells = [random.choice(CELLS[name][: random.randint(1, 5)]) for name in names]
        cells = cells[: random.choice([len(cells), len(cells), random.randint(0, len(cells))])]
        cells += [""] * random.choice([0, 0, 0, 20])
        quick = rows._quick.read(cells)
        try:
            careful = rows._read_with_faults(2, cells)
        except InvalidInput:
            assert quick is None, (names, cells)
        else:
            assert quick is None or _show(FileRow(*quick)) == _show(careful), (names, cells)
            plain += quick is not None
    assert plain > 200


def test_addresses_are_read_alike() -> None:
    """The reader of plain rows accepts the addresses that the reader with faults accepts, and no others."""
    rows = RowReader(read_header(["email"], 1))
    accepted = 0
    for address in ADDRESSES:
        for within in WITHIN:
            for place in range(len(address) + 1):
                cells = [address[:place] + within + address[place:]]
                quick = rows._quick.read(cells)
                try:
                    careful = rows._read_with_faults(2, cells)
                except InvalidInput:
                    assert quick is None, cells
                else:
                    assert quick is not None, cells
                    assert FileRow(*quick).values.fields == careful.values.fields
                    accepted += 1
    assert accepted > 100
