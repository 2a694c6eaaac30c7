"""Reads a form with a file, as browsers and `curl -F` send it, into the file and its text fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from diglot.errors import MalformedRequest

_FILE_FIELD: Final = "file"
_MAX_PARTS: Final = 100
# A form may repeat `tags`; the values are joined by commas.
_REPEATABLE_FIELD: Final = "tags"


@dataclass(frozen=True, slots=True)
class MultipartForm:
    """A file, the character set that its part declares, and the other fields of its form."""

    file: bytes
    charset: str | None
    fields: Mapping[str, str]


def read_charset(content_type: str) -> str | None:
    """Return the character set that a content type declares, or None."""
    charset: str | None = parse_options_header(content_type)[1].get("charset")
    return charset


def read_form(body: bytes, content_type: str) -> MultipartForm:
    """Return the only file of a form, and its fields; raise `MalformedRequest`."""
    files: list[tuple[bytes, str | None]] = []
    fields: dict[str, str] = {}
    for part, content in _parse_parts(body, content_type):
        if part.filename is not None or part.name == _FILE_FIELD:
            files.append((content, part.charset))
        elif part.name == _REPEATABLE_FIELD and _REPEATABLE_FIELD in fields:
            fields[_REPEATABLE_FIELD] += f",{_decode_text(content)}"
        else:
            fields[part.name] = _decode_text(content)
    if len(files) != 1:
        raise MalformedRequest(f"Exactly one part has to be a file, not {len(files)}")
    return MultipartForm(*files[0], fields)


def _parse_parts(body: bytes, content_type: str) -> list[tuple[MultipartSegment, bytes]]:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    parts: list[tuple[MultipartSegment, bytes]] = []
    chunks: list[bytes] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    part, chunks = event, []
                elif event is None:
                    parts.append((part, b"".join(chunks)))
                else:
                    chunks.append(bytes(event))
    except MultipartError as error:
        raise MalformedRequest(f"The body is not multipart/form-data: {error}") from None
    return parts


def _decode_text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MalformedRequest("A field of the form is not UTF-8") from None
