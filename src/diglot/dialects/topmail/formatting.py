"""How Topmail prints values."""

from diglot.api.formatting import in_milliseconds


def time(instant: int) -> str:
    """Return an instant as answers print it."""
    shown = in_milliseconds(instant)
    assert shown is not None
    return shown
