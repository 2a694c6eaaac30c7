"""Takes a file from a request as it arrives: the body itself, or the only file of a form."""

from collections.abc import AsyncIterator
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


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of a file, its name, and the character set that its sender declares."""

    content: AsyncIterator[bytes]
    name: str | None = None
    charset: str | None = None


async def open_upload(body: AsyncIterator[bytes], content_type: str, *, is_form: bool) -> Upload:
    """Return the file in a body; raise `MalformedRequest` for a form without one, also while it is read."""
    if not is_form:
        return Upload(body, None, read_charset(content_type))
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    events = _iterate_events(body, boundary)
    async for event in events:
        assert isinstance(event, MultipartSegment)
        return Upload(_iterate_content(events), event.filename, event.charset)
    raise MalformedRequest(_ONE_PART)


async def _iterate_content(events: AsyncIterator[object]) -> AsyncIterator[bytes]:
    async for event in events:
        if isinstance(event, MultipartSegment):
            raise MalformedRequest(_ONE_PART)
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
