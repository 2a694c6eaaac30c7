"""How Misar prints values."""

from diglot.api.formatting import in_seconds


def time(instant: int) -> str:
    """Return an instant as answers print it."""
    shown = in_seconds(instant)
    assert shown is not None
    return shown
