"""The look-ups beside a changed field: those of the other fields that the conditions which read it read, too.

An event changes fields that few conditions read, and these read few others. So it costs less to ask those one
by one than to ask all fields of an index at once.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Final

from diglot.conditions.index.gates import Layout
from diglot.conditions.index.lookups import FieldLookup

# With more look-ups beside a changed field, all of the index stand.
_MOST_BESIDE: Final = 32
# Of a larger index only the relative dates beside a field are listed, because each look-up takes 0.1 us.
_MOST_LISTED: Final = 4_000
# So many nested gates are widened exactly, in 0.1 ms.
_MOST_WIDENED: Final = 100


class LookupsBeside:
    """The look-ups beside changed fields, by the stored fields that these read; each is listed once.

    `by_source` are all look-ups of an index, `moving` those of the relative dates of core fields.
    """

    def __init__(
        self,
        layout: Layout,
        by_source: Mapping[str, Sequence[FieldLookup]],
        moving: Mapping[str, FieldLookup],
    ) -> None:
        self._layout, self._by_source, self._all_moving = layout, by_source, moving
        self._listed: dict[str, Mapping[FieldLookup, None] | None] = {}
        self._moving: dict[str, Mapping[str, FieldLookup]] = {}

    def find(self, sources: Collection[str]) -> Sequence[FieldLookup] | None:
        """Return the look-ups of other fields in conditions that read any of these; None if they are many."""
        found: dict[FieldLookup, None] = {}
        for source in sources:
            if source not in self._listed:
                self._listed[source] = self._list(source)
            if (beside := self._listed[source]) is None:
                return None
            if beside:
                found.update(beside)
        return [lookup for lookup in found if lookup.source not in sources] if found else ()

    def find_moving(self, sources: Collection[str]) -> Sequence[FieldLookup]:
        """Return the relative dates of other core fields in conditions that read any of these fields."""
        found: dict[str, FieldLookup] = {}
        for source in sources:
            if (beside := self._moving.get(source)) is None:
                beside = self._moving[source] = self._list_moving(source)
            found.update(beside)
            if beside is self._all_moving:
                break
        return [lookup for source, lookup in found.items() if source not in sources]

    def _list(self, source: str) -> Mapping[FieldLookup, None] | None:
        """Return what `find` does for one stored field."""
        if len(self._by_source) > _MOST_LISTED:
            return None
        reading = self._find_reading(source)
        found: dict[FieldLookup, None] = {}
        for lookup in chain.from_iterable(self._by_source.values()):
            if lookup.source != source and reading & lookup.touched():
                if len(found) == _MOST_BESIDE:
                    return None
                found[lookup] = None
        return found

    def _list_moving(self, source: str) -> Mapping[str, FieldLookup]:
        """Return the relative dates of other core fields in conditions that read a stored field.

        If they are many, return all of the index.
        """
        reading = self._find_reading(source)
        found = {
            name: lookup
            for name, lookup in self._all_moving.items()
            if name != source and reading & lookup.touched()
        }
        return found if len(found) <= _MOST_BESIDE else self._all_moving

    def _find_reading(self, source: str) -> int:
        """Return the gates of the conditions that read a stored field, and perhaps of others."""
        reading = 0
        for lookup in self._by_source[source]:
            reading |= lookup.touched()
        return self._layout.widen(reading, _MOST_WIDENED)
