"""Files of comma-separated values, byte by byte: what JSON stories cannot hold."""

import csv

import pytest

from diglot.conditions.operands import OperandError
from diglot.dialects.misar.contacts import import_csv, import_form
from diglot.errors import Invalid, Malformed, TooLarge

HEADER = b"email,plan\n"
FORM = "multipart/form-data; boundary=xx"
PART = b'--xx\r\nContent-Disposition: form-data; name="'


def _read(body: bytes) -> list[tuple[int | str, object]]:
    """Return the number and the plan of each row, or what is wrong with it."""
    found: list[tuple[int | str, object]] = []
    for path, content in import_csv.rows(body):
        if isinstance(content, Invalid):
            found.append((path[1], str(content)))
        else:
            assert content.attributes is not None
            email, attributes = content.fields["email"].value, content.attributes.value
            found.append((path[1], (email, attributes.get("plan"))))
    return found


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_end_of_line(end: bytes, mark: bytes) -> None:
    """Every system's lines are read, with a byte order mark or without, and blank rows keep their number."""
    body = mark + b'email,plan\n\na@example.com,pro\n , \nb@example.com,"a\nb"\n'.replace(b"\n", end)
    several = f"a{end.decode()}b"
    assert _read(body) == [(3, ("a@example.com", "pro")), (5, ("b@example.com", several))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_delimiter(delimiter: str) -> None:
    """What stands between the names of the columns stands between the cells; quoted ones do not count."""
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
def test_what_is_no_file(body: bytes, message: str) -> None:
    """A file that cannot be read is refused whole, and says why."""
    with pytest.raises(Malformed, match=r".*") as refused:
        import_csv.rows(body)
    assert message in str(refused.value)


def test_rows_without_end() -> None:
    """Blank rows are no contacts, yet they are read."""
    with pytest.raises(TooLarge, match="rows"):
        import_csv.rows(HEADER + b"\n" * import_csv.MOST_ROWS)


def test_nul_in_a_name_of_a_column() -> None:
    """No field has such a name."""
    with pytest.raises(Invalid, match="control character"):
        import_csv.rows(b"email,a\x00b\na@example.com,1\n")


def test_a_file_in_a_form_may_lack_its_name() -> None:
    """`curl -F 'file=<people.csv'` gives none."""
    body = PART + b'file"\r\n\r\n' + HEADER + b"\r\n--xx--\r\n"
    assert import_form.read(body, FORM).file == HEADER


def test_a_field_of_a_form_that_is_no_text() -> None:
    """A switch is not guessed from bytes."""
    with pytest.raises(Malformed, match="not UTF-8"):
        import_form.read(PART + b'tags"\r\n\r\n\xff\r\n--xx--\r\n', FORM)


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
def test_tags_of_a_cell(cell: str, tags: list[str]) -> None:
    """A cell of tags is a row of CSV; without quotes a semicolon separates as a comma does."""
    assert import_csv.split_tags(cell) == tags


@pytest.mark.parametrize("cell", ['"VIP', '"VIP"x,denver', 'a,"b"";c', '"a";"b'])
def test_quotes_of_a_tag_without_an_end(cell: str) -> None:
    """A row is refused rather than given tags with quotes in them."""
    with pytest.raises(OperandError, match="quotes"):
        import_csv.split_tags(cell)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("true TRUE yes Yes Y t 1 on", True),
        ("false False no NO n F 0 off", False),
    ],
)
def test_booleans_of_a_file(words: str, meant: object) -> None:
    """A cell of `subscribed` is read as spreadsheets and other tools write it."""
    for word in words.split():
        ((_, content),) = import_csv.rows(f"email,subscribed\na@example.com,{word}\n".encode())
        assert isinstance(content, import_csv.Content)
        assert content.fields["subscribed"].value is meant, word


@pytest.mark.parametrize("word", ["ja", "oui", "2", "-1", "y e s"])
def test_what_is_no_boolean(word: str) -> None:
    """Other words keep their text, which the row is refused for."""
    ((_, content),) = import_csv.rows(f"email,subscribed\na@example.com,{word}\n".encode())
    assert isinstance(content, import_csv.Content)
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
def test_status_of_a_file(word: str, meant: str) -> None:
    """Words of other tools are read where they lower a contact; the others are refused by the door."""
    ((_, content),) = import_csv.rows(f"email,status\na@example.com,{word}\n".encode())
    assert isinstance(content, import_csv.Content)
    assert content.fields["status"].value == meant
