"""Bodies that end early, nest too deep, or hold what no parser takes."""

from typing import Any

import msgspec
import pytest

from diglot.api.input import request_body
from diglot.errors import Invalid, Malformed, TooLarge, Unsupported


class _Request:
    """As much of a request as reading its body needs."""

    def __init__(self, headers: dict[str, str], *messages: dict[str, Any]) -> None:
        self.headers = {"content-type": "application/json", **headers}
        self._messages = list(messages)

    async def receive(self) -> dict[str, Any]:
        return self._messages.pop(0)


def _piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def _read(most: int, *messages: dict[str, Any], **headers: str) -> bytes:
    request: Any = _Request({name.replace("_", "-"): value for name, value in headers.items()}, *messages)
    request_body.refuse_unread(request, most, ("application/json",))
    return await request_body.read_bytes(request, most)


async def test_pieces_are_put_together() -> None:
    """A body is its pieces, the empty ones too."""
    assert await _read(4, _piece(b"ab"), _piece(b""), _piece(b"cd", more=False)) == b"abcd"
    assert await _read(4, {"type": "http.request"}) == b""


@pytest.mark.parametrize("length", ["5", "0005", "9" * 5_000])
async def test_an_announced_length_past_the_limit(length: str) -> None:
    """What is announced as too large is not waited for."""
    with pytest.raises(TooLarge):
        await _read(4, content_length=length)


@pytest.mark.parametrize("length", ["", "4", "0" * 5_000 + "4", "-5", "x", "²", "5.0"])
async def test_a_length_within_the_limit_or_none(length: str) -> None:
    """Only a number can announce too much; the pieces decide."""
    assert await _read(4, _piece(b"abcd", more=False), content_length=length) == b"abcd"


async def test_pieces_past_the_limit() -> None:
    """Pieces that add up to more than the limit are too large, whatever was announced."""
    with pytest.raises(TooLarge):
        await _read(4, _piece(b"abc"), _piece(b"de"), content_length="4")


async def test_another_media_type_is_refused_first() -> None:
    """The media type comes before the size."""
    with pytest.raises(Unsupported):
        await _read(4, content_type="text/plain", content_length="5")


async def test_a_client_that_leaves() -> None:
    """A body without its end is no body."""
    with pytest.raises(Malformed):
        await _read(4, _piece(b"{}"), {"type": "http.disconnect"})


@pytest.mark.parametrize("raw", [b"[" * 10_000 + b"]" * 10_000, b"9" * 5_000, b"1e999", b"[", b'"\\ud800"'])
def test_a_member_that_cannot_be_decoded(raw: bytes) -> None:
    """A member nested too deep, out of range or malformed is the caller's fault."""
    with pytest.raises(Invalid):
        request_body.decode(raw, ("name",))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"a":1,"a":2}', ("a",)),
        (b'{"a":{"b":[0,{"c":1,"d":2,"c":1}]}}', ("a", "b", 1, "c")),
        (b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}', None),
    ],
)
def test_keys_given_twice(text: bytes, path: tuple[str | int, ...] | None) -> None:
    """A key given twice in one object is refused at its place; in two objects it is two keys."""
    if path is None:
        assert set(request_body.read_members(text, unique=True)) == {"a", "b"}
        return
    with pytest.raises(Invalid) as refused:
        request_body.read_members(text, unique=True)
    assert refused.value.faults[0].path == path
    assert all(isinstance(raw, msgspec.Raw) for raw in request_body.read_members(text).values())


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (rb'{"a":"x\u0000"}', ("a",)),
        (rb'{"a":[1,{"b":["\u0000"]}]}', ("a", 1, "b", 0)),
        (rb'{"a":{"k\u0000":1}}', ("a", "k\\u0000")),
    ],
)
def test_nul_anywhere(text: bytes, path: tuple[str | int, ...]) -> None:
    """U+0000 is refused in every text and every key, at its place."""
    with pytest.raises(Invalid) as refused:
        request_body.read_members(text)
    assert refused.value.faults[0].path == path


def test_what_only_looks_like_nul() -> None:
    """A backslash that is escaped begins no escape."""
    assert set(request_body.read_members(rb'{"a":[1,null,"\\u0000"],"b":{"c":true}}')) == {"a", "b"}
