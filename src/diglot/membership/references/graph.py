"""The graph of references: which segments the rules of other segments name, by their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

# A chain of references has at most so many segments, the first and the last included.
MAX_LEVELS: Final = 5


class ReferenceGraph:
    """The references of a workspace: `references` has the segments that the rules of each segment name.

    Stored references have no cycle.
    """

    def __init__(self, references: Mapping[int, Sequence[int]] | None = None) -> None:
        self.references: Mapping[int, Sequence[int]] = references or {}
        self._levels: dict[int, int] = {}
        self._heights: dict[int, int] = {}

    @cached_property
    def dependents(self) -> Mapping[int, Sequence[int]]:
        """The segments whose rules name each segment."""
        found: dict[int, list[int]] = {}
        for dependent, named in self.references.items():
            for number in named:
                found.setdefault(number, []).append(dependent)
        return found

    def all_dependents_of(self, number: int) -> list[int]:
        """Return the segments that depend on a segment, each after those that it references."""
        found: set[int] = set()
        waiting = [number]
        while waiting:
            more = [one for one in self.dependents.get(waiting.pop(), ()) if one not in found]
            found.update(more)
            waiting += more
        return sorted(found, key=lambda one: (self.level_of(one), one))

    def level_of(self, number: int) -> int:
        """Return the number of segments in the longest chain from a segment to one that references none."""
        if number not in self._levels:
            self._levels[number] = self.level_above(self.references.get(number, ()))
        return self._levels[number]

    def level_above(self, named: Iterable[int]) -> int:
        """Return the level of a segment whose rules name some segments."""
        return 1 + max(map(self.level_of, named), default=0)

    def height_of(self, number: int) -> int:
        """Return the number of segments in the longest chain from a segment that nobody references."""
        if number not in self._heights:
            above = map(self.height_of, self.dependents.get(number, ()))
            self._heights[number] = 1 + max(above, default=0)
        return self._heights[number]

    def find_chain(self, number: int, named: Iterable[int]) -> list[int] | None:
        """Return the chain of references from one of some segments to a segment, or None."""
        dependents = {number, *self.all_dependents_of(number)}
        chain = [one for one in named if one in dependents][:1]
        while chain and chain[-1] != number:
            chain.append(next(one for one in self.references[chain[-1]] if one in dependents))
        return chain or None


def build_graph(ids: Mapping[int, str], named: Mapping[int, Sequence[str]]) -> ReferenceGraph:
    """Return the graph of segments, given the id of each, and the ids that the rules of some name."""
    if not named:
        return ReferenceGraph()
    numbers = {id_: number for number, id_ in ids.items()}
    return ReferenceGraph(
        {one: [numbers[id_] for id_ in others if id_ in numbers] for one, others in named.items()}
    )
