"""Bodies that end early, nest too deep, or contain something that no parser accepts."""

from typing import Any

import msgspec
import pytest

from diglot.api.input import request_body
from diglot.api.input.request import Request
from diglot.errors import ContentTooLarge, InvalidInput, MalformedRequest, UnsupportedMediaType


def _build_request(headers: dict[str, str], *messages: dict[str, Any]) -> Request:
    left = list(messages)

    async def receive() -> Any:
        return left.pop(0)

    sent = {"content-type": "application/json", **headers}
    scope = {"headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]}
    return Request(scope, receive)


def _piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def _read(most: int, *messages: dict[str, Any], **headers: str) -> bytes:
    request = _build_request({name.replace("_", "-"): value for name, value in headers.items()}, *messages)
    request_body.check_headers(request, most, ("application/json",))
    return await request_body.read_bytes(request, most)


async def test_pieces_are_joined() -> None:
    """A body is the concatenation of its pieces, empty ones included."""
    assert await _read(4, _piece(b"ab"), _piece(b""), _piece(b"cd", more=False)) == b"abcd"
    assert await _read(4, {"type": "http.request"}) == b""


@pytest.mark.parametrize("length", ["5", "0005", "9" * 5_000])
async def test_an_announced_length_beyond_the_limit(length: str) -> None:
    """A body that is announced as too large is rejected without waiting."""
    with pytest.raises(ContentTooLarge):
        await _read(4, content_length=length)


@pytest.mark.parametrize("length", ["", "4", "0" * 5_000 + "4", "-5", "x", "²", "5.0"])
async def test_a_length_within_the_limit_or_none(length: str) -> None:
    """Only a number can announce too much; otherwise the pieces decide."""
    assert await _read(4, _piece(b"abcd", more=False), content_length=length) == b"abcd"


async def test_pieces_beyond_the_limit() -> None:
    """Pieces that add up to more than the limit are too large, whatever was announced."""
    with pytest.raises(ContentTooLarge):
        await _read(4, _piece(b"abc"), _piece(b"de"), content_length="4")


async def test_another_media_type_is_rejected_first() -> None:
    """The media type is checked before the size."""
    with pytest.raises(UnsupportedMediaType):
        await _read(4, content_type="text/plain", content_length="5")


async def test_a_client_that_leaves() -> None:
    """A body without its end is rejected."""
    with pytest.raises(MalformedRequest):
        await _read(4, _piece(b"{}"), {"type": "http.disconnect"})


@pytest.mark.parametrize("raw", [b"[" * 10_000 + b"]" * 10_000, b"9" * 5_000, b"1e999", b"[", b'"\\ud800"'])
def test_a_property_that_cannot_be_decoded(raw: bytes) -> None:
    """A property nested too deep, out of range or malformed is the caller's fault."""
    with pytest.raises(InvalidInput):
        request_body.decode_value(raw, ("name",))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"a":1,"a":2}', ("a",)),
        (b'{"a":{"b":[0,{"c":1,"d":2,"c":1}]}}', ("a", "b", 1, "c")),
        (b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}', None),
    ],
)
def test_keys_given_twice(text: bytes, path: tuple[str | int, ...] | None) -> None:
    """A key that occurs twice in one object is rejected with its path; in two objects it is allowed."""
    if path is None:
        assert set(request_body.parse_object(text, unique_keys=True)) == {"a", "b"}
        return
    with pytest.raises(InvalidInput) as refused:
        request_body.parse_object(text, unique_keys=True)
    assert refused.value.faults[0].path == path
    assert all(isinstance(raw, msgspec.Raw) for raw in request_body.parse_object(text).values())


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (rb'{"a":"x\u0000"}', ("a",)),
        (rb'{"a":[1,{"b":["\u0000"]}]}', ("a", 1, "b", 0)),
        (rb'{"a":{"k\u0000":1}}', ("a", "k\\u0000")),
    ],
)
def test_nul_anywhere(text: bytes, path: tuple[str | int, ...]) -> None:
    """U+0000 is rejected in every string and every key, with its path."""
    with pytest.raises(InvalidInput) as refused:
        request_body.parse_object(text)
    assert refused.value.faults[0].path == path


def test_an_escaped_backslash_before_u0000() -> None:
    """A backslash that is escaped begins no escape."""
    assert set(request_body.parse_object(rb'{"a":[1,null,"\\u0000"],"b":{"c":true}}')) == {"a", "b"}
