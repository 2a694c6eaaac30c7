"""A form with a file in it, as browsers and `curl -F` send it -> the file, and the text of other fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from diglot.errors import Malformed

_FILE: Final = "file"
_MOST_PARTS: Final = 100
# Sent once for each tag, it is one text with commas.
_SEVERAL: Final = "tags"


@dataclass(frozen=True, slots=True)
class Form:
    """A file and the fields beside it."""

    file: bytes
    fields: Mapping[str, str]


def charset(content_type: str) -> str:
    """Return the character set that a content type names, in lower case; UTF-8 where it names none."""
    return str(parse_options_header(content_type)[1].get("charset", "utf-8")).lower()


def read(body: bytes, content_type: str) -> Form:
    """Return the one file of a form, and its fields; raise `Malformed`."""
    files: list[bytes] = []
    fields: dict[str, str] = {}
    for part, content in _parts(body, content_type):
        if part.filename is not None or part.name == _FILE:
            files.append(content)
        elif part.name == _SEVERAL and _SEVERAL in fields:
            fields[_SEVERAL] += f",{_text(content)}"
        else:
            fields[part.name] = _text(content)
    if len(files) != 1:
        raise Malformed(f"Exactly one part has to be a file, not {len(files)}")
    return Form(files[0], fields)


def _parts(body: bytes, content_type: str) -> list[tuple[MultipartSegment, bytes]]:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    found: list[tuple[MultipartSegment, bytes]] = []
    chunks: list[bytes] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=_MOST_PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    part, chunks = event, []
                elif event is None:
                    found.append((part, b"".join(chunks)))
                else:
                    chunks.append(bytes(event))
    except MultipartError as error:
        raise Malformed(f"The body is not multipart/form-data: {error}") from None
    return found


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Malformed("A field of the form is not UTF-8") from None
