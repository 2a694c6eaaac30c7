"""Encoded answers that follow from the row of a segment alone, remembered with it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.responses import encode_json
from diglot.api.warnings import UNKNOWN_EVENT, UNKNOWN_FIELD, Warnings
from diglot.service.audience.known_segments import KnownSegment

_TIME_KEY: Final = b'"count_as_of":"'


class _DatedAnswer(msgspec.Struct, frozen=True):
    """An encoded answer before and after the time of its count."""

    head: bytes
    tail: bytes

    @classmethod
    def split(cls, body: bytes) -> "_DatedAnswer":
        """Divide an encoded answer at the time of its count.

        A text that a client sent cannot look like the key, because quotes in a text are escaped.
        """
        before, key, after = body.rpartition(_TIME_KEY)
        return cls(before + key, after[after.index(b'"') :])

    def at(self, time: str) -> bytes:
        """Return the answer with another time."""
        return self.head + time.encode() + self.tail


async def answer_known(
    call: Call, known: KnownSegment, show: Callable[[], Awaitable[msgspec.Struct]], time: str | None = None
) -> bytes:
    """Return the encoded answer of a call about a segment: as remembered, else as `show` makes it.

    `time` is that of the count in the answer, if there is one; it changes from one answer to the next.
    """
    # The struct of the answer is that of one dialect and kind of call.
    key = call.operation.response
    body = recall(known, key, time)
    if body is not None:
        return body
    shown = await show()
    body = encode_json(shown)
    if _is_lasting(shown):
        remember(known, key, body, has_time=time is not None)
    return body


def recall(known: KnownSegment, key: Any, time: str | None) -> bytes | None:
    """Return the answer that was remembered under a key, with the time of its count, or None."""
    answer = known.answer(key)
    if answer is None or time is None:
        return cast("bytes | None", answer)
    return cast("_DatedAnswer", answer).at(time)


def remember(known: KnownSegment, key: Any, body: bytes, *, has_time: bool) -> None:
    """Remember an encoded answer that depends on the segment and on the key alone."""
    known.remember(key, _DatedAnswer.split(body) if has_time else body, len(body))


def _is_lasting(shown: Any) -> bool:
    """Tell whether an answer stays right: a field may become known with the next contact."""
    warnings: Warnings = getattr(shown.data, "warnings", UNSET)
    return warnings is UNSET or all(
        warning.code not in (UNKNOWN_EVENT, UNKNOWN_FIELD) for warning in warnings
    )
