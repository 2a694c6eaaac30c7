"""Formats values for Topmail's responses."""

from diglot.api.formatting import format_milliseconds


def format_time(instant: int) -> str:
    """Format an instant for responses."""
    shown = format_milliseconds(instant)
    assert shown is not None
    return shown
