"""How answers print numbers and instants."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def whole_if_integral(number: float | None) -> float | None:
    """Return an integer where a number of the catalogue has no fraction."""
    return int(number) if number is not None and number == int(number) else number


def in_seconds(instant: int | None) -> str | None:
    """Return an instant as RFC 3339 in whole seconds, `...T10:01:44Z`."""
    if instant is None:
        return None
    return (_EPOCH + timedelta(seconds=instant // 1_000_000)).isoformat() + "Z"


def in_milliseconds(instant: int | None) -> str | None:
    """Return an instant as RFC 3339 in milliseconds, `...T10:01:44.000Z`."""
    if instant is None:
        return None
    moment = _EPOCH + timedelta(milliseconds=instant // 1_000)
    return moment.isoformat(timespec="milliseconds") + "Z"
