"""The fields of the events that count for one question, and their values, given these events."""

from collections.abc import Iterable

from diglot.conditions.events.fields import EventField, EventValue, read_places, sort_places
from diglot.conditions.events.sum_tests import is_short, read_test
from diglot.conditions.histories.past_events import Gathered
from diglot.conditions.histories.sums import add_up_back, find_jumps


class StreamFields:
    """Fields by what they read of events: their places, the jumps of their sum, or what they add up to."""

    def __init__(self, fields: Iterable[tuple[str, EventField]]) -> None:
        by_name = dict(fields)
        self._places = sort_places(by_name)
        # Each with its test, which is a function if it takes little memory.
        self._jumps = [
            (field, parsed.test, read_test(parsed.test).compare if is_short(parsed.test) else None)
            for field, parsed in by_name.items()
            if parsed.part == "jumps"
        ]
        self._others = [
            (field, parsed)
            for field, parsed in by_name.items()
            if not parsed.place and parsed.part != "jumps"
        ]

    def read_into(self, values: dict[str, EventValue], found: Gathered) -> None:
        """Write the values of the fields, given at least one event, over those that they have with fewer.

        With an event more only jumps may cease to have a value.
        """
        read_places(self._places, found.instants, values)
        if self._others:
            state = found.add_up()
            for field, parsed in self._others:
                value = parsed.read(state)
                assert value is not None, "only without events a field has no value"
                values[field] = value
        if self._jumps:
            totals = add_up_back(*found)
            for field, test, meets in self._jumps:
                if jumps := find_jumps(totals, meets or read_test(test).compare):
                    values[field] = jumps
                else:
                    values.pop(field, None)
