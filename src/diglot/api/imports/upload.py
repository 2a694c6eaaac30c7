"""Takes a file from a request as it arrives: the body itself, or the only file of a form."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from diglot.api.imports.form import read_charset
from diglot.errors import MalformedRequest

_ONE_PART: Final = "A form has exactly one part, the file: the options are in the query"
_FILE_LAST: Final = "The file is the last part of this form"
# What precedes the file is kept in memory.
MAX_FIELD_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of a file, its name, and the character set that its sender declares."""

    content: AsyncIterator[bytes]
    name: str | None = None
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form as a browser sends it: its fields by name, and the file behind them, None without one."""

    fields: Mapping[str, str]
    upload: Upload | None


async def open_upload(body: AsyncIterator[bytes], content_type: str, *, is_form: bool) -> Upload:
    """Return the file in a body; raise `MalformedRequest` for a form without one, also while it is read."""
    if not is_form:
        return Upload(body, None, read_charset(content_type))
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    events = _iterate_events(body, boundary)
    async for event in events:
        assert isinstance(event, MultipartSegment)
        return Upload(_iterate_content(events, _ONE_PART), event.filename, event.charset)
    raise MalformedRequest(_ONE_PART)


async def open_file_form(body: AsyncIterator[bytes], content_type: str) -> FileForm:
    """Read the fields of a form up to its file, which is read later; raise `MalformedRequest`."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    events = _iterate_events(body, boundary)
    fields: dict[str, bytes] = {}
    name, size = "", 0
    async for event in events:
        if isinstance(event, MultipartSegment) and event.filename is not None:
            upload = Upload(_iterate_content(events, _FILE_LAST), event.filename, event.charset)
            return FileForm(_decode_fields(fields), upload)
        if isinstance(event, MultipartSegment):
            name = event.name
            fields[name] = b""
            size += len(name)
        elif event is not None:
            content = bytes(event)  # type: ignore[call-overload]
            fields[name] += content
            size += len(content)
        if size > MAX_FIELD_BYTES:
            raise MalformedRequest(f"The fields of a form have at most {MAX_FIELD_BYTES:,} bytes")
    return FileForm(_decode_fields(fields), None)


def _decode_fields(fields: Mapping[str, bytes]) -> Mapping[str, str]:
    try:
        return {name: content.decode() for name, content in fields.items()}
    except UnicodeDecodeError:
        raise MalformedRequest("A field of the form is not UTF-8") from None


async def _iterate_content(events: AsyncIterator[object], otherwise: str) -> AsyncIterator[bytes]:
    async for event in events:
        if isinstance(event, MultipartSegment):
            raise MalformedRequest(otherwise)
        if event is not None:
            yield bytes(event)  # type: ignore[call-overload]


async def _iterate_events(body: AsyncIterator[bytes], boundary: str) -> AsyncIterator[object]:
    try:
        with PushMultipartParser(boundary) as parser:
            async for data in body:
                if data:
                    for event in parser.parse(data):
                        yield event
    except MultipartError as error:
        raise MalformedRequest(f"The body is not multipart/form-data: {error}") from None
