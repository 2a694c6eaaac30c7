"""Bodies: bytes -> the raw members of a JSON object, or the first reason why not.

The checks stand in the order of the answers: media type, then size, then JSON.
"""

import json
from collections.abc import Collection
from typing import Any, Final

import msgspec
from litestar import Request

from diglot.conditions.operands import find_text_fault
from diglot.errors import Invalid, Malformed, Path, TooLarge, Unsupported

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()
_TOO_DEEP: Final = "The JSON body is nested too deep"
Members = dict[str, msgspec.Raw]


def media_type(request: Request[Any, Any, Any]) -> str:
    """Return the media type of the body in lower case, without parameters."""
    written: str = request.headers.get("content-type", "")
    return written.partition(";")[0].strip().lower()


def refuse_unread(request: Request[Any, Any, Any], most: int, media: Collection[str]) -> None:
    """Raise `Unsupported` or `TooLarge` for a body whose headers are enough to refuse it."""
    if media_type(request) not in media:
        raise Unsupported(media)
    if _exceeds(request.headers.get("content-length", ""), most):
        raise TooLarge(most)


async def read_bytes(request: Request[Any, Any, Any], most: int) -> bytes:
    """Return the body; raise `TooLarge`, which reads no further."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise Malformed("The body ends before its end")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise TooLarge(most)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def is_empty(request: Request[Any, Any, Any]) -> bool:
    """Tell whether there is no body, by reading up to its first byte."""
    try:
        return not await read_bytes(request, 0)
    except TooLarge:
        return False


def _exceeds(length: str, most: int) -> bool:
    """Tell whether an announced length passes the limit; a server refuses what is no number itself."""
    digits = length.lstrip("0")
    return digits.isascii() and digits.isdigit() and (len(digits) > len(str(most)) or int(digits) > most)


def read_members(body: bytes, *, unique: bool = False) -> Members:
    """Return the members of a JSON object, still encoded; raise `Malformed` or `Invalid`.

    `unique` refuses an object, at any depth, that gives a key twice: one of the two would be dropped.
    """
    try:
        body.decode()
        members = _members.decode(body)
        if b"\\u0000" in body:
            refuse_nul(_anything.decode(body), ())
        if unique:
            _refuse_repeated(json.loads(body, object_pairs_hook=_object, parse_int=str, parse_float=str), ())
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("The body is not valid JSON" if body else "The body is empty") from None
    return members


def decode(raw: msgspec.Raw | bytes, path: Path) -> Any:
    """Return a member decoded; raise `Invalid` for a number that no 64-bit machine holds, or too deep."""
    try:
        return _anything.decode(raw)
    except RecursionError:
        raise Invalid.at(path, _TOO_DEEP) from None
    except msgspec.ValidationError:
        raise Invalid.at(path, "Number is out of range") from None
    except msgspec.DecodeError:
        raise Malformed("The body is not valid JSON") from None


def refuse_nul(value: Any, path: Path) -> None:
    """Raise `Invalid` when a string or a key anywhere holds U+0000."""
    if isinstance(value, str):
        if (message := find_text_fault(value)) is not None:
            raise Invalid.at(path, message)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_nul(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if (message := find_text_fault(key)) is not None:
                raise Invalid.at((*path, key.replace("\x00", "\\u0000")), message)
            refuse_nul(item, (*path, key))


class _Repeated:
    """Stands for an object in which a key is given twice."""

    def __init__(self, key: str) -> None:
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            return _Repeated(key)
        found[key] = value
    return found


def _refuse_repeated(value: Any, path: Path) -> None:
    if isinstance(value, _Repeated):
        raise Invalid.at((*path, value.key), "The key is given twice")
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, item in items:
        _refuse_repeated(item, (*path, key))


def compact(raw: msgspec.Raw | bytes) -> str:
    """Return JSON as sent, without the white space between its parts."""
    return msgspec.json.format(bytes(raw), indent=-1).decode()
