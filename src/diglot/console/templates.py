"""Renders the templates of the console. Everything that a template shows is escaped."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from diglot import __version__
from diglot.conditions.relative_dates import NEVER
from diglot.console import assets
from diglot.console.causes import say_cause
from diglot.console.words import describe_condition, say_rule

_FOLDER: Final = Path(__file__).with_name("templates")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A name of 10,000 characters would fill a page.
_SHOWN_CHARACTERS: Final = 200


class WallClock:
    """Shows instants (microseconds) in the time zone of a workspace."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)

    def moment(self, instant: int | None) -> str:
        """Return a day with a time, such as `3 May 2026, 14:05`."""
        local = self._local(instant)
        return "" if local is None else f"{local.day} {local:%b %Y, %H:%M}"

    def day(self, instant: int | None) -> str:
        """Return a day, such as `3 May 2026`."""
        local = self._local(instant)
        return "" if local is None else f"{local.day} {local:%b %Y}"

    def iso(self, instant: int | None) -> str:
        """Return an instant as machines read it."""
        local = self._local(instant)
        return "" if local is None else local.isoformat()

    def _local(self, instant: int | None) -> datetime | None:
        if instant is None or instant >= NEVER:
            return None
        try:
            return (_EPOCH + timedelta(microseconds=instant)).astimezone(self.zone)
        except OverflowError:
            return None


def render(template: str, clock: WallClock, **values: Any) -> str:
    """Return a template as text."""
    return _environment().get_template(template).render(clock=clock, **values)


def shorten(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "number": lambda number: f"{number:,}",
        "count_of": lambda number, noun, nouns="": (
            f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
        ),
        "short": shorten,
        "moment": _by_clock(WallClock.moment),
        "day": _by_clock(WallClock.day),
        "iso": _by_clock(WallClock.iso),
        "in_words": describe_condition,
        "rule_in_words": say_rule,
        "cause_in_words": say_cause,
    }
    environment.globals |= {"asset": assets.FILES.path_of, "version": __version__, "never": NEVER}
    return environment


def _by_clock(show: Callable[[WallClock, int | None], str]) -> Callable[[Context, int | None], str]:
    """Return the filter that shows an instant by the clock of the page."""

    @pass_context
    def shown(context: Context, instant: int | None) -> str:
        return show(context["clock"], instant)

    return shown
