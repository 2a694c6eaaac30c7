"""CSV files, byte by byte: cases that JSON stories cannot express."""

import csv

import pytest

from diglot.conditions.operands import OperandError
from diglot.dialects.misar.contacts import import_csv, import_form, tag_text
from diglot.errors import ContentTooLarge, InvalidInput, MalformedRequest

HEADER = b"email,plan\n"
FORM = "multipart/form-data; boundary=xx"
PART = b'--xx\r\nContent-Disposition: form-data; name="'


def _read(body: bytes) -> list[tuple[int | str, object]]:
    """Return the number and the plan of each row, or the message of the error."""
    results: list[tuple[int | str, object]] = []
    for path, content in import_csv.read_rows(body).rows:
        if isinstance(content, InvalidInput):
            results.append((path[1], str(content)))
        else:
            email, attributes = content.fields["email"].value, content.fields["custom_fields"].value
            results.append((path[1], (email, attributes.get("plan"))))
    return results


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_line_ending(end: bytes, mark: bytes) -> None:
    """Line endings of every system are read, with a byte order mark or without; blank rows count as rows."""
    body = mark + b'email,plan\n\na@example.com,pro\n , \nb@example.com,"a\nb"\n'.replace(b"\n", end)
    several = f"a{end.decode()}b"
    assert _read(body) == [(3, ("a@example.com", "pro")), (5, ("b@example.com", several))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_delimiter(delimiter: str) -> None:
    """The delimiter in the header is the delimiter of the rows; quoted ones do not count."""
    body = f'"email"{delimiter}"a,b;c d"{delimiter}plan\na@example.com{delimiter}{delimiter} "p,r;o"\n'
    assert _read(body.encode()) == [(2, ("a@example.com", "p,r;o"))]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (HEADER + "é@example.com,".encode("latin-1"), "The file is not UTF-8 (byte 12)"),
        ("email\n".encode("utf-16"), "The file is not UTF-8 (byte 1)"),
        (b"", "The file is empty"),
        (b"email," + b"a," * 1_000, "A file has at most 1,000 columns"),
        (b"email," + b"a" * 201, "The name of a column has at most 200 characters"),
        (HEADER + b"a@example.com," + b"a" * (csv.field_size_limit() + 1), "Line 2 is not valid CSV"),
    ],
)
def test_unreadable_files(body: bytes, message: str) -> None:
    """A file that cannot be read is rejected as a whole, with a reason."""
    with pytest.raises(MalformedRequest, match=r".*") as refused:
        import_csv.read_rows(body)
    assert message in str(refused.value)


def test_too_many_blank_rows() -> None:
    """Blank rows are no contacts, but they count toward the limit."""
    with pytest.raises(ContentTooLarge, match="rows"):
        import_csv.read_rows(HEADER + b"\n" * import_csv.MAX_ROWS)


def test_nul_in_a_column_name() -> None:
    """No field has such a name."""
    with pytest.raises(InvalidInput, match="control character"):
        import_csv.read_rows(b"email,a\x00b\na@example.com,1\n")


def test_a_file_in_a_form_may_lack_its_name() -> None:
    """`curl -F 'file=<people.csv'` sends none."""
    body = PART + b'file"\r\n\r\n' + HEADER + b"\r\n--xx--\r\n"
    assert import_form.read_form(body, FORM).file == HEADER


def test_a_form_field_that_is_no_text() -> None:
    """A boolean is not guessed from bytes."""
    with pytest.raises(MalformedRequest, match="not UTF-8"):
        import_form.read_form(PART + b'tags"\r\n\r\n\xff\r\n--xx--\r\n', FORM)


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("vip, new ;; old,", ["vip", "new", "old"]),
        ('"VIP","2024 Event"', ["VIP", "2024 Event"]),
        (' "VIP" , "denver" ', ["VIP", "denver"]),
        ('"Oslo, Norway";"a;b"', ["Oslo, Norway", "a;b"]),
        ('vip,"Oslo, Norway",a;b', ["vip", "Oslo, Norway", "a", "b"]),
        ('"the ""best"" one",5" pipe', ['the "best" one', '5" pipe']),
        ('"","  ",a', ["a"]),
        ('vip;"new"', ["vip", '"new"']),
        ("", []),
    ],
)
def test_tags_in_a_cell(cell: str, tags: list[str]) -> None:
    """A cell of tags is a row of CSV; without quotes a semicolon separates as a comma does."""
    assert tag_text.split_tags(cell) == tags


@pytest.mark.parametrize("cell", ['"VIP', '"VIP"x,denver', 'a,"b"";c', '"a";"b'])
def test_unclosed_quotes_in_tags(cell: str) -> None:
    """The row is rejected, because its tags would contain quotes."""
    with pytest.raises(OperandError, match="quotes"):
        tag_text.split_tags(cell)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("true TRUE yes Yes Y t 1 on", True),
        ("false False no NO n F 0 off", False),
    ],
)
def test_booleans_in_a_file(words: str, meant: object) -> None:
    """A cell of `subscribed` is read as spreadsheets and other tools write it."""
    for word in words.split():
        ((_, content),) = import_csv.read_rows(f"email,subscribed\na@example.com,{word}\n".encode()).rows
        assert isinstance(content, import_csv.ContactInput)
        assert content.fields["subscribed"].value is meant, word


@pytest.mark.parametrize("word", ["ja", "oui", "2", "-1", "y e s"])
def test_other_words_are_no_booleans(word: str) -> None:
    """Other words stay unchanged, and the row is rejected for them."""
    ((_, content),) = import_csv.read_rows(f"email,subscribed\na@example.com,{word}\n".encode()).rows
    assert isinstance(content, import_csv.ContactInput)
    assert content.fields["subscribed"].value == word


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Subscribed", "subscribed"),
        ("Cleaned", "bounced"),
        ("Blocklisted", "unsubscribed"),
        ("opted-out", "unsubscribed"),
        ("Enabled", "enabled"),
    ],
)
def test_statuses_in_a_file(word: str, meant: str) -> None:
    """Words of other tools are accepted if they lower a status; validation rejects the others."""
    ((_, content),) = import_csv.read_rows(f"email,status\na@example.com,{word}\n".encode()).rows
    assert isinstance(content, import_csv.ContactInput)
    assert content.fields["status"].value == meant
