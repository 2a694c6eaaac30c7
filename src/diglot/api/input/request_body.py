"""Reads a body into the raw members of a JSON object, or raises the first error.

The order of the checks is fixed: media type, then size, then JSON.
"""

import json
from collections.abc import AsyncIterator, Collection
from typing import Any, Final

import msgspec

from diglot.api.input.request import HasBody, HasScope
from diglot.conditions.text import find_text_fault
from diglot.errors import ContentTooLarge, InvalidInput, MalformedRequest, Path, UnsupportedMediaType

_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_value_decoder = msgspec.json.Decoder()
# Decoding so many bytes takes at most 5 ms. Each level of slices reads a long value once more.
MAX_UNSLICED_BYTES: Final = 262_144
MAX_SLICED_LEVELS: Final = 3
_TOO_DEEP: Final = "The JSON body is nested too deep"
RawObject = dict[str, msgspec.Raw]


def media_type(request: HasScope) -> str:
    """Return the media type of the body in lower case, without parameters."""
    return _find_first_header(request, b"content-type").partition(";")[0].strip().lower()


def _find_first_header(request: HasScope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in request.scope["headers"] if key == name), "")


def check_headers(request: HasScope, most: int, media: Collection[str]) -> None:
    """Raise `UnsupportedMediaType` or `ContentTooLarge` if the headers alone show it."""
    check_media_type(request, media)
    if _length_exceeds(_find_first_header(request, b"content-length"), most):
        raise ContentTooLarge(most)


def check_media_type(request: HasScope, media: Collection[str]) -> None:
    """Raise `UnsupportedMediaType` for a body of another media type."""
    if media_type(request) not in media:
        raise UnsupportedMediaType(media)


async def read_bytes(request: HasBody, most: int) -> bytes:
    """Return the body; stop reading and raise `ContentTooLarge` beyond the limit."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedRequest("The body ends before its end")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise ContentTooLarge(most)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def iterate_bytes(request: HasBody) -> AsyncIterator[bytes]:
    """Yield the body as it arrives."""
    more = True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedRequest("The body ends before its end")
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def is_empty(request: HasBody) -> bool:
    """Tell whether the body is empty, by reading up to its first byte."""
    try:
        return not await read_bytes(request, 0)
    except ContentTooLarge:
        return False


def _length_exceeds(length: str, most: int) -> bool:
    """Tell whether Content-Length exceeds the limit; the server itself rejects one that is not a number."""
    digits = length.lstrip("0")
    return digits.isascii() and digits.isdigit() and (len(digits) > len(str(most)) or int(digits) > most)


def parse_object(body: bytes, *, unique_keys: bool = False) -> RawObject:
    """Return the members of a JSON object, still encoded; raise `MalformedRequest` or `InvalidInput`.

    `unique_keys` rejects an object at any depth with a repeated key, because one of the two would be dropped.
    """
    try:
        body.decode()
        members = _object_decoder.decode(body)
        if b"\\u0000" in body:
            refuse_nul(_decode(body), ())
        if unique_keys:
            _refuse_repeated_keys(
                json.loads(body, object_pairs_hook=_build_object, parse_int=str, parse_float=str), ()
            )
    except RecursionError:
        raise MalformedRequest(_TOO_DEEP) from None
    except msgspec.ValidationError as error:
        raise MalformedRequest(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedRequest("The body is not valid JSON" if body else "The body is empty") from None
    return members


def decode_value(raw: msgspec.Raw | bytes, path: Path) -> Any:
    """Decode a member; raise `InvalidInput` if it has a number beyond 64 bits or is nested too deep."""
    try:
        return _decode(raw)
    except RecursionError:
        raise InvalidInput.at(path, _TOO_DEEP) from None
    except msgspec.ValidationError:
        raise InvalidInput.at(path, "Number is out of range") from None
    except msgspec.DecodeError:
        raise MalformedRequest("The body is not valid JSON") from None


def _decode(raw: msgspec.Raw | bytes, levels: int = MAX_SLICED_LEVELS) -> Any:
    """Decode a value; a long one item by item, because the decoder holds up all threads until it returns."""
    view = memoryview(raw)
    if len(view) <= MAX_UNSLICED_BYTES or not levels:
        return _value_decoder.decode(raw)
    if view[0] == ord("["):
        return [_decode(item, levels - 1) for item in _list_decoder.decode(raw)]
    if view[0] == ord("{"):
        return {key: _decode(item, levels - 1) for key, item in _object_decoder.decode(raw).items()}
    return _value_decoder.decode(raw)


def refuse_nul(value: Any, path: Path) -> None:
    """Raise `InvalidInput` if any string or key contains U+0000."""
    if isinstance(value, str):
        if (message := find_text_fault(value)) is not None:
            raise InvalidInput.at(path, message)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_nul(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if (message := find_text_fault(key)) is not None:
                raise InvalidInput.at((*path, key.replace("\x00", "\\u0000")), message)
            refuse_nul(item, (*path, key))


class _RepeatedKey:
    """Marks an object with a repeated key."""

    def __init__(self, key: str) -> None:
        self.key = key


def _build_object(pairs: list[tuple[str, Any]]) -> Any:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            return _RepeatedKey(key)
        found[key] = value
    return found


def _refuse_repeated_keys(value: Any, path: Path) -> None:
    if isinstance(value, _RepeatedKey):
        raise InvalidInput.at((*path, value.key), "The key is given twice")
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, item in items:
        _refuse_repeated_keys(item, (*path, key))


def compact_json(raw: msgspec.Raw | bytes) -> str:
    """Return JSON as sent, without the white space between its tokens."""
    return msgspec.json.format(bytes(raw), indent=-1).decode()
