"""Values that break readers of JSON, queries, paths and headers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final

MEGABYTE: Final = 1024 * 1024
# An object key with this suffix is written without it, so an object can contain the same key twice.
AGAIN: Final = "\x01again"
# Integers with the hash 0: a set or a dict of them takes quadratic time.
COLLIDING: Final = 2**61 - 1


@dataclass(frozen=True)
class Raw:
    """JSON, or invalid bytes instead of it."""

    text: bytes


def encode(value: Any) -> bytes:
    """Return a value as JSON, and the bytes of `Raw` unchanged."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        pairs = (encode(str(key).removesuffix(AGAIN)) + b":" + encode(part) for key, part in value.items())
        return b"{" + b",".join(pairs) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(encode, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


DIGITS: Final = "9" * 5_000
VALUES: Final[Sequence[Any]] = (
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**40),
    *(1e308, 5e-324, "", " ", "\u3000", "a", "0", "-1", "true", "null", "NaN", "1e3", DIGITS, "a" * 1_001),
    *("a\0b", "\0", "\ud800", "a\udfffb", "\ufeff", "\u202e", "💥" * 400, "2026-02-30", "0000-00-00"),
    *("%", "'; DROP TABLE contacts; --", "{}", "[]", "../../etc", "\\", '"', "\x1f\x1e\x1d\x1c\x1b\x1a\x18"),
    *([], {}, [[]], [None], [{}], {"a": 1}, {"$ne": None}, {"field": "email"}, [1, "1", True, None, [], {}]),
    *(list(range(300)), {str(n): n for n in range(300)}, ["a" * 1_001], [{"rules": []}]),
    *(Raw(text) for text in (b"NaN", b"Infinity", b"-Infinity", b"nan", b"undefined", b"1e999", b"-1e999")),
    *(Raw(text) for text in (DIGITS.encode(), b"-" + DIGITS.encode(), b"1." + DIGITS.encode(), b"1e-5000")),
    *(Raw(text) for text in (b"01", b"+1", b".5", b"1.", b"0x10", b"--1", b"1_000", b"'a'", b"tru", b"")),
    *(Raw(text) for text in (rb'"\u0000"', rb'"\ud800"', rb'"\udc00\ud800"', rb'"\x"', rb'"\u12"', b'"a')),
    *(Raw(text) for text in (b'"\x00"', b'"\x1f"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf5"')),
    *(Raw(text) for text in (b"[1,]", b"[,]", b'{"a":}', b'{"a" 1}', b"{a:1}", b"[", b"{", b"}", b"//x\n1")),
)
KEYS: Final[Sequence[str]] = (
    *("", " ", "a\0b", "\ud800", "name", "email", "id", "field", "rules", "operator", "match", "value"),
    *("__proto__", "constructor", "a" * 101, "a" * 5_000, '"', "\\", "\x1f", "$where", "attributes.", "."),
    *("custom_fields.", "custom_fields.a\0", "attributes.\ud800", "attributes." + "k" * 101, "Rules", "rule"),
)
QUERY_VALUES: Final[Sequence[bytes]] = (
    *(b"abc", b"-1", b"0", b"1e3", b"1.0", b"+1", b" 1", b"1 ", b"%20", b"", b"%00", b"a%00b", b"\x00"),
    *(b"%ff", b"%ED%A0%80", b"%C0%80", b"\xff\xfe", b"%", b"%zz", b"null", b"true", b"NaN", b"[]", b"1,2"),
    *(DIGITS.encode(), b"0" * 5_000 + b"1", b"%D9%A3", b"%EF%BC%91", b"9223372036854775808", b"4294967296"),
    *(
        b"a" * 70_000,
        b"%F0%9F%92%A5" * 300,
        b"1&limit=x",
        b"1;limit=2",
        b"' OR 1=1",
        b"%25%5F%5C",
        b"a " * 90,
    ),
)
QUERY_KEYS: Final[Sequence[bytes]] = (
    *(b"page", b"limit", b"offset", b"search", b"status", b"subscribed", b"id", b"limit[]", b"%00", b"\xff"),
    *(b"", b"limit%00", b"LIMIT", b"__proto__", b"sort", b"segment_id", b"segmentId", b"tags"),
    *(b"updateExisting", b"skip_existing"),
)
PATH_PARTS: Final[Sequence[bytes]] = (
    *(b"", b"%00", b"a%00b", b"%ff", b"%ED%A0%80", b"..", b".", b"%2e%2e", b"%2F", b"a%2Fb", b"%", b"%zz"),
    *(b"new", b"null", b"0", b"-1", b"{segment_id}", b"*", b"seg_", b"seg_" + b"8" * 26, b"seg_" + b"u" * 26),
    *(b"SEG_" + b"0" * 26, b"seg_" + b"0" * 25, b"seg_" + b"0" * 26 + b"%00", b"0" * 32, b"a" * 6_000),
    *(
        DIGITS.encode(),
        b"%F0%9F%92%A5",
        b"%E2%80%8B",
        b"01985b6e-0000-7000-8000-00000000000",
        b"import",
        b";",
    ),
    *(b"01985b6e-0000-7000-8000-000000000000", b"01985B6E-0000-7000-8000-00000000000%00", b"' OR '1'='1"),
    *(
        b"preview",
        b"estimate",
        b"contacts",
        b"segments",
        b"%EF%BC%90" * 36,
        b"%0d%0aX-Injected:%201",
        b"\xe9",
    ),
)
HEADER_VALUES: Final[Sequence[bytes]] = (
    *(b"", b" ", b"\xff\xfe", b"a" * 9_000, b"\x00", b"null", b"-1", b"0", b"1e9", DIGITS.encode(), b"*/*"),
    *(
        b"text/html;q=NaN",
        b"a=b; c",
        b"=;=;=",
        b"../..",
        b"gzip",
        b"bytes=0-",
        b'"\\',
        b"multipart/form-data",
    ),
)
HEADER_NAMES: Final[Sequence[bytes]] = (
    *(b"accept", b"accept-encoding", b"accept-language", b"content-length", b"content-encoding", b"cookie"),
    *(b"x-request-id", b"if-none-match", b"if-match", b"range", b"expect", b"host", b"transfer-encoding"),
    *(
        b"origin",
        b"forwarded",
        b"x-forwarded-for",
        b"x-http-method-override",
        b"connection",
        b"upgrade",
        b"te",
    ),
    *(b"content-type", b"authorization", b"x-api-key", b"idempotency-key", b"x-\xff", b"traceparent"),
)
CONTENT_TYPES: Final[Sequence[bytes]] = (
    *(b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"),
    *(
        b"application/json5",
        b"application/vnd.api+json",
        b"application",
        b"application/json/x",
        b";",
        b"\xff",
    ),
    *(
        b"application/msgpack",
        b"APPLICATION/JSON; charset=utf-16",
        b"application/json; charset=latin-1",
        b"*/*",
    ),
)
METHODS: Final[Sequence[str]] = (
    "PUT",
    "TRACE",
    "CONNECT",
    "HEAD",
    "OPTIONS",
    "BREW",
    "get",
    "QUERY",
    "P\xc4TCH",
)


@cache
def heavy() -> Sequence[Any]:
    """Return values that are slow to read for an unprepared reader."""
    colliding = [COLLIDING * n for n in range(10_000)]
    return (
        *(Raw(b"[" * depth + b"]" * depth) for depth in (40, 500, 10_000)),
        *(Raw(b'{"a":' * depth + b"1" + b"}" * depth) for depth in (40, 500, 10_000)),
        Raw(b'{"rules":[' * 10_000 + b"]}" * 10_000),
        Raw(b"[" * 10_000),
        Raw(encode(colliding)),
        Raw(encode([number % 2**63 for number in colliding])),
        Raw(encode([float(number) for number in colliding])),
        Raw(encode({str(number): number for number in colliding})),
        Raw(encode([str(number) for number in colliding])),
        Raw(encode(["a"] * 10_001)),
        Raw(b'"' + b"a" * 200_000 + b'"'),
        Raw(b'"' + b"\\u0041" * 50_000 + b'"'),
        Raw(b'"' + b"\\u0000" * 10_000 + b'"'),
        Raw(b"9" * 100_000),
        Raw(b'"' + "\u0390\u0301".encode() * 20_000 + b'"'),
    )


def value(rng: Random) -> Any:
    """Return an edge value, sometimes a heavy one."""
    return rng.choice(heavy() if rng.random() < 0.06 else VALUES)
