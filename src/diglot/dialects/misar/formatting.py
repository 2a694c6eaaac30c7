"""How Misar prints values."""

from diglot.api.formatting import format_seconds


def format_time(instant: int) -> str:
    """Return an instant as answers print it."""
    shown = format_seconds(instant)
    assert shown is not None
    return shown
