"""Records of a file that arrives in pieces: the same for pieces of any size, and from any position on."""

from typing import Final

import pytest

from diglot.api.imports.delimited_text import MAX_ROW_BYTES, Position, Record, RecordReader
from diglot.api.imports.encodings import Encoding, find_declared
from diglot.errors import MalformedRequest

TEXT: Final = (
    'email,plan\r\n\r\na@example.com,"p\n""r"" ,ö𐀀"\nb@example.com\rc@example.com, "x\r\ny"\r\n d ,="007"'
)
RECORDS: Final = [
    (1, ["email", "plan"]),
    (3, ["a@example.com", 'p\n"r" ,ö𐀀']),
    (4, ["b@example.com"]),
    (5, ["c@example.com", "x\r\ny"]),
    (6, ["d", "007"]),
]
FILES: Final = {
    "plain": TEXT.encode(),
    "marked": TEXT.encode("utf-8-sig"),
    "utf-16-le": b"\xff\xfe" + TEXT.encode("utf-16-le"),
    "utf-16-be": b"\xfe\xff" + TEXT.encode("utf-16-be"),
}


def _read_pieces(reader: RecordReader, body: bytes, size: int, *, has_end: bool = True) -> list[Record]:
    records: list[Record] = []
    for start in range(0, max(len(body), 1), size):
        reader.feed(body[start : start + size], is_final=has_end and start + size >= len(body))
        records += reader.read()
    return records


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1_000])
def test_pieces_of_any_size(name: str, size: int) -> None:
    """Quoted line breaks, pairs of UTF-16 and ends of lines may be cut anywhere."""
    assert _read_pieces(RecordReader(), FILES[name], size) == RECORDS


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [5, 1_000])
def test_another_reader_continues(name: str, size: int) -> None:
    """A reader that begins at the position after a record reads the same rest, with the same numbers."""
    body = FILES[name]
    first = RecordReader()
    first.feed(body, is_final=True)
    records = iter(first.read())
    for count in range(1, len(RECORDS) + 1):
        next(records)
        then = RecordReader(text_format=first.text_format, position=first.position)
        assert _read_pieces(then, body[first.position.offset :], size) == RECORDS[count:]
    assert first.position == Position(len(body), 6, 8)


def test_a_stopped_reader_goes_on() -> None:
    """Whoever takes only some records gets the others later."""
    reader = RecordReader()
    reader.feed(FILES["plain"], is_final=True)
    assert [next(reader.read()) for _ in RECORDS] == RECORDS
    assert list(reader.read()) == []


@pytest.mark.parametrize(
    ("line", "delimiter"), [("sep=;", ";"), ('"sep=|"', "|"), ("SEP=\t", "\t"), ("sep=,", ",")]
)
def test_a_line_that_names_the_delimiter(line: str, delimiter: str) -> None:
    """Excel writes and hides it, so it has no row number."""
    body = f"\n{line}\r\nemail{delimiter}a;b,c\r\nx{delimiter}y\r\n".encode()
    if delimiter in ";,":
        body = body.replace(b"a;b,c", b"a b c")
    (first, second) = _read_pieces(RecordReader(), body, 4)
    assert [first[0], second] == [1, (2, ["x", "y"])]
    assert first[1][0] == "email"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="00123"', "00123"),
        ('"=""00123"""', "00123"),
        ('"=""a """"b"""" """', 'a "b"'),
        ('="a"&"b"', '="a"&"b"'),
        ("=1+1", "=1+1"),
    ],
)
def test_text_as_a_formula(cell: str, text: str) -> None:
    """Excel keeps zeros so; other formulas stay as they are."""
    assert _read_pieces(RecordReader(), f"{cell},x".encode(), 3) == [(1, [text, "x"])]


def test_a_mark_outweighs_a_declaration() -> None:
    """A sender may be wrong; the mark is in the file."""
    assert _read_pieces(RecordReader(Encoding("cp1252")), FILES["utf-16-be"], 9) == RECORDS


def test_a_declared_set_without_a_mark() -> None:
    """UTF-16 needs no mark if it is declared."""
    reader = RecordReader(find_declared("UTF-16"))
    assert _read_pieces(reader, TEXT.encode("utf-16-le"), 1) == RECORDS


@pytest.mark.parametrize(
    ("body", "declared", "message"),
    [
        (b"a\nb\xff,c\n", None, "The file is not UTF-8 (byte 4)"),
        (b"a\nb\x81,c\n", "windows-1252", "The file is not windows-1252 (byte 4)"),
        (b"\xff\xfea\x00\n\x00b", None, "The file is not UTF-16-LE (byte 7)"),
        (b'a\nb\n"c', None, "Line 3 is not valid CSV: unexpected end of data"),
        (b'a\n\nb\n"c"d\n', None, "Line 4 is not valid CSV: ',' expected after '\"'"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_faults(body: bytes, declared: str | None, message: str, size: int) -> None:
    """A fault names the byte or the line within the whole file."""
    reader = RecordReader(None if declared is None else find_declared(declared))
    with pytest.raises(MalformedRequest) as refused:
        _read_pieces(reader, body, size)
    assert str(refused.value) == f": {message}"


@pytest.mark.parametrize("row", [b"a", b'\n","'])
def test_a_row_without_end(row: bytes) -> None:
    """A row has to fit into memory, whether its line or its quotes have no end."""
    reader = RecordReader()
    body = b"email\n" + b'"' * (row != b"a") + row * (MAX_ROW_BYTES // len(row) + 1)
    records = _read_pieces(reader, body, 1_000_000, has_end=False)
    with pytest.raises(MalformedRequest, match="A row has at most 8,388,608 bytes"):
        reader.feed(row)
    assert records == [(1, ["email"])]


def test_an_empty_file() -> None:
    """It has no records."""
    assert _read_pieces(RecordReader(), b"", 1) == []


def test_an_unknown_set() -> None:
    """It is refused with its name."""
    with pytest.raises(MalformedRequest, match="x-unheard-of is not known"):
        find_declared("x-unheard-of")
