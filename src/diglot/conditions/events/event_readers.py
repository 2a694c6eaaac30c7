"""Which numbered conditions read events, by the names of the events, and which names they read together."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

ByName = Mapping[str, frozenset[int]]


class ReadNames(NamedTuple):
    """Names of events: those whose states conditions read, and those whose single events they read."""

    states: frozenset[str]
    histories: frozenset[str]

    def without(self, name: str) -> "ReadNames":
        """Return all names but one."""
        return ReadNames(self.states - {name}, self.histories - {name})

    def without_states(self, names: Collection[str]) -> "ReadNames":
        """Return all names, but some of those whose states conditions read."""
        return ReadNames(self.states.difference(names), self.histories)


class EventReaders:
    """The conditions that read what the events of each name add up to, and those that read single events."""

    def __init__(self, of_states: ByName, of_histories: ByName) -> None:
        self._of_states, self._of_histories = of_states, of_histories
        self._beside: dict[str, ReadNames] = {}

    @cached_property
    def by_name(self) -> ByName:
        """The conditions that read events of each name in any way."""
        states, histories = self._of_states, self._of_histories
        names = states.keys() | histories.keys()
        return {name: states.get(name, frozenset()) | histories.get(name, frozenset()) for name in names}

    def find_names(self, numbers: frozenset[int]) -> ReadNames:
        """Return the names of events that any of the conditions reads."""
        return ReadNames(_names_read(numbers, self._of_states), _names_read(numbers, self._of_histories))

    def names_beside(self, name: str) -> ReadNames:
        """Return the other names that the conditions which read a name read, too."""
        if (names := self._beside.get(name)) is None:
            names = self._beside[name] = self.find_names(self.by_name[name]).without(name)
        return names


def unite(groups: Iterable[Collection[int]]) -> frozenset[int]:
    """Return the numbers of all groups."""
    return frozenset[int]().union(*groups)


def _names_read(numbers: frozenset[int], readers: ByName) -> frozenset[str]:
    return frozenset(name for name, reading in readers.items() if not numbers.isdisjoint(reading))
