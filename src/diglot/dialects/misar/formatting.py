"""Formats values for Misar's responses."""

from diglot.api.formatting import format_seconds


def format_time(instant: int) -> str:
    """Format an instant for responses."""
    shown = format_seconds(instant)
    assert shown is not None
    return shown
