"""Addresses: the rows of tests/spec/imports/addresses.json, and the forms beside the compared one."""

import pytest

from diglot.api.input.struct_plans import plan_struct
from diglot.api.input.value_readers import Given
from diglot.conditions import addresses
from diglot.dialects.misar.contacts.wire import ContactCreate
from diglot.dialects.misar.tracking.wire import TrackEvent
from diglot.errors import InvalidInput
from support import oracle, spec_data
from support.paths import SPEC

ROWS = spec_data.read(SPEC / "imports" / "addresses.json")["addresses"]


def read(struct: type, sent: str) -> str | None:
    """Return an address as a body is read, or None if it is refused."""
    reader = plan_struct(struct)["email"].read
    assert reader is not None
    try:
        result: str = reader(Given(sent, ("email",)))
    except InvalidInput:
        return None
    return result


@pytest.mark.parametrize(("sent", "compared", "what"), ROWS, ids=[row[2] for row in ROWS])
def test_a_row_holds(sent: str, compared: str | None, what: str) -> None:
    """A contact keeps the address as sent, an event looks the compared form up, the oracle agrees."""
    assert read(ContactCreate, sent) == (None if compared is None else sent), what
    assert read(TrackEvent, sent) == compared
    assert (addresses.find_address_fault(sent) is None) == (compared is not None)
    if compared is not None:
        assert addresses.normalize_address(sent) == compared == oracle.address(sent)
        assert addresses.normalize_address(compared) == compared


@pytest.mark.parametrize(
    ("text", "normalized"),
    [("", ""), ("BÜCHER", "bücher"), ("@BÜCHER.example", "@bücher.example"), ("A@💩.X", "a@💩.x")],
)
def test_other_text_is_only_lower_case(text: str, normalized: str) -> None:
    """An operand that is no address is compared as text."""
    assert addresses.normalize_address(text) == normalized


@pytest.mark.parametrize(
    ("normalized", "spelled"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada@a.xn--bcher-kva.example", "ada@a.bücher.example"),
        ("ada@xn--a.example", "ada@xn--a.example"),
    ],
)
def test_an_address_in_letters(normalized: str, spelled: str) -> None:
    """A-labels that stand for no name stay as they are."""
    assert addresses.spell_address(normalized) == spelled


@pytest.mark.parametrize(
    ("cell", "stripped"),
    [
        (" a@b.c\t", "a@b.c"),
        ("\ufeff\u200b a@b.c\u00a0\u200e", "a@b.c"),
        ("é\u200dé", "é\u200dé"),
        ("\u200b\u2060", ""),
    ],
)
def test_the_ends_of_a_cell(cell: str, stripped: str) -> None:
    """Format characters and white space go from the ends alone."""
    assert addresses.strip_format_characters(cell) == stripped
