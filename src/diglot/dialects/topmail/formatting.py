"""How Topmail prints values."""

from diglot.api.formatting import format_milliseconds


def format_time(instant: int) -> str:
    """Return an instant as answers print it."""
    shown = format_milliseconds(instant)
    assert shown is not None
    return shown
