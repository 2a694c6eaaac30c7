"""CSV files, byte by byte: cases that JSON stories cannot express."""

import csv

import pytest

from diglot.api.imports import form as import_form
from diglot.api.imports import tag_text
from diglot.api.imports.files import ROWS_PER_CONTACT, read_file
from diglot.api.imports.rows import FileRow
from diglot.conditions.operands import OperandError
from diglot.errors import ContentTooLarge, InvalidInput, MalformedRequest

HEADER = b"email,plan\n"
FORM = "multipart/form-data; boundary=xx"
LIMIT = 100
PART = b'--xx\r\nContent-Disposition: form-data; name="'


def _read(body: bytes) -> list[tuple[int | str, object]]:
    """Return the number and the plan of each row, or the message of the error."""
    results: list[tuple[int | str, object]] = []
    for path, row in read_file(body, LIMIT).rows:
        if isinstance(row, InvalidInput):
            results.append((path[1], str(row)))
        else:
            results.append((path[1], (row.values.fields["email"], row.values.attributes.get("plan"))))
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
        ("email\n".encode("utf-16-le"), "The file is not UTF-8 (byte 2)"),
        (b"", "The file is empty"),
        (b"email," + b"a," * 1_000, "A file has at most 1,000 columns"),
        (b"email," + b"a" * 201, "The name of a column has at most 200 characters"),
        (HEADER + b"a@example.com," + b"a" * (csv.field_size_limit() + 1), "Line 2 is not valid CSV"),
    ],
)
def test_unreadable_files(body: bytes, message: str) -> None:
    """A file that cannot be read is rejected as a whole, with a reason."""
    with pytest.raises(MalformedRequest, match=r".*") as refused:
        read_file(body, LIMIT)
    assert message in str(refused.value)


def test_too_many_blank_rows() -> None:
    """Blank rows are no contacts, but they count toward the limit."""
    with pytest.raises(ContentTooLarge, match="rows"):
        read_file(HEADER + b"\n" * ROWS_PER_CONTACT * LIMIT, LIMIT)


def test_nul_in_a_column_name() -> None:
    """No field has such a name."""
    with pytest.raises(InvalidInput, match="control character"):
        read_file(b"email,a\x00b\na@example.com,1\n", LIMIT)


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
        ((_, row),) = read_file(f"email,subscribed\na@example.com,{word}\n".encode(), LIMIT).rows
        assert isinstance(row, FileRow)
        assert row.values.subscribed is meant, word


@pytest.mark.parametrize("word", ["ja", "oui", "2", "-1", "y e s"])
def test_other_words_are_no_booleans(word: str) -> None:
    """The row is rejected for them."""
    ((_, row),) = read_file(f"email,subscribed\na@example.com,{word}\n".encode(), LIMIT).rows
    assert str(row) == "subscribed: Expected boolean, received string"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("Subscribed", "subscribed"),
        ("Cleaned", "bounced"),
        ("Blocklisted", "unsubscribed"),
        ("opted-out", "unsubscribed"),
    ],
)
def test_statuses_in_a_file(word: str, meant: str) -> None:
    """Words of other tools are accepted if they lower a status; validation rejects the others."""
    ((_, row),) = read_file(f"email,status\na@example.com,{word}\n".encode(), LIMIT).rows
    assert isinstance(row, FileRow)
    assert row.values.fields["status"] == meant


def test_a_status_that_no_word_means() -> None:
    """A word that raises a status in another tool is not guessed."""
    ((_, row),) = read_file(b"email,status\na@example.com,Enabled\n", LIMIT).rows
    assert "received 'enabled'" in str(row)


def test_rows_without_their_last_cells() -> None:
    """A short row says nothing of what is missing; a long row is rejected only for cells with content."""
    body = b"email,plan,city\na@example.com,pro\nb@example.com\nc@example.com,x,y,,\nd@example.com,x,y,z\n"
    assert _read(body) == [
        (2, ("a@example.com", "pro")),
        (3, ("b@example.com", None)),
        (4, ("c@example.com", "x")),
        (5, ": Expected 3 cells, received 4"),
    ]


def test_a_declared_character_set() -> None:
    """A file is decoded as its sender declares; in a form, as its part declares."""
    body = HEADER + "a@example.com,café\n".encode("cp1252")
    ((_, row),) = read_file(body, LIMIT, "ISO-8859-1").rows
    assert isinstance(row, FileRow)
    assert row.values.attributes == {"plan": "café"}
    part = b'f"\r\nContent-Type: text/csv; charset=windows-1252\r\n\r\n'
    form = import_form.read_form(
        PART.replace(b"name=", b'filename="a" ; name=') + part + body + b"\r\n--xx--\r\n", FORM
    )
    assert (form.file, form.charset) == (body, "windows-1252")
