"""The compiled functions of the conditions of a workspace: which sets of them have one, and how it is cut.

A function holds a bounded number of rules, because Python compiles one in a single hold of the interpreter
lock. Functions are kept when one condition changes: only the function that holds it is compiled again.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from diglot.caches import SharedCache
from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.python_compiler import MatchFunction, compile_to_python

# Different rules in one function, and rules in all: one that several conditions share is evaluated once, so
# that its repetitions cost the compiler little. A condition has fewer than either. Smaller functions would
# compile no faster together, and evaluate a shared rule again in each.
MOST_RULES: Final = 800
MOST_REPEATED: Final = 2_500
# Sets of conditions that keep functions of their own.
MOST_SETS: Final = 256
# Compiling a condition takes as long as evaluating it for so many contacts, or longer.
REPAID: Final = 1_000

Group = tuple[int, ...]
Rules = Sequence[bytes]
_encode = msgspec.json.Encoder().encode


class _Set(NamedTuple):
    """A set of conditions: the functions of its groups, and the one over all of them."""

    parts: Mapping[Group, MatchFunction]
    evaluate: MatchFunction


class Evaluators:
    """The functions of numbered conditions in a time zone.

    `find` and `pays` return at once. `compile` may take seconds, so that it never runs on the event loop;
    several threads may call it at the same time, and each function is compiled once.
    """

    def __init__(
        self, nodes: Mapping[int, tree.Node], zone: ZoneInfo, earlier: "Evaluators | None" = None
    ) -> None:
        self.nodes = nodes
        self.zone = zone
        self.everything = frozenset(nodes)
        # The set of all conditions is never dropped because the others fall back on it.
        self._all: _Set | None = None
        self._sets = SharedCache[frozenset[int], _Set](MOST_SETS - 1)
        self._asked = SharedCache[frozenset[int], int](MOST_SETS)
        # How many conditions were compiled for sets that are not all of them.
        self._compiled = 0
        self._lock = Lock()
        # Where the functions of all conditions begin: kept, because a function whose neighbour grows or
        # shrinks would have to be compiled again if its own beginning moved.
        self.starts: Sequence[int] = ()
        self._parts: dict[Group, MatchFunction] = {}
        if earlier is not None and earlier.zone == zone:
            self.starts = earlier.starts
            self._parts = {
                group: part
                for group, part in earlier.used_parts().items()
                if all(nodes.get(number) is earlier.nodes[number] for number in group)
            }

    def used_parts(self) -> dict[Group, MatchFunction]:
        """Return the functions that the sets consist of."""
        sets = [*self._sets.copy().values(), *([] if self._all is None else [self._all])]
        return {group: part for one in sets for group, part in one.parts.items()}

    def find(self, numbers: frozenset[int]) -> MatchFunction | None:
        """Return the function of a set of conditions where it is compiled already."""
        found = self._find(numbers)
        return None if found is None else found.evaluate

    def _find(self, numbers: frozenset[int]) -> _Set | None:
        return self._all if numbers == self.everything else self._sets.get(numbers)

    def pays(self, numbers: frozenset[int], times: int) -> bool:
        """Tell whether a set is to have a function of its own; it is to be evaluated so many times now.

        Contacts of one write may differ in so many ways that each needs another set. Once as many conditions
        were compiled for sets as there are in all, a set has to be evaluated so often that compiling it costs
        less than evaluating all conditions in its place.
        """
        few, every = len(numbers), len(self.nodes)
        if few == every or self._compiled + few <= every:
            return True
        asked = (self._asked.get(numbers) or 0) + times
        self._asked.put(numbers, asked)
        return asked * (every - few) >= REPAID * few

    def compile(self, numbers: frozenset[int]) -> MatchFunction:
        """Return the function of a set of conditions, compiled where it is not yet."""
        with self._lock:
            # Another thread may have compiled it while this one waited.
            found = self._find(numbers)
            if found is None:
                found = self._compile(numbers)
                self._keep(numbers, found)
        return found.evaluate

    def _compile(self, numbers: frozenset[int]) -> _Set:
        is_everything = numbers == self.everything
        rules = {number: rules_of(self.nodes[number]) for number in sorted(numbers)}
        groups = divide(rules, self.starts if is_everything else ())
        if is_everything:
            self.starts = [group[0] for group in groups]
        parts: dict[Group, MatchFunction] = {}
        for group in groups:
            if group not in self._parts:
                self._parts[group] = compile_to_python(
                    {number: self.nodes[number] for number in group}, self.zone
                )
                self._compiled += 0 if is_everything else len(group)
            parts[group] = self._parts[group]
        return _Set(parts, _join(parts.values()))

    def _keep(self, numbers: frozenset[int], found: _Set) -> None:
        """Keep a set, and drop the functions of one that had to go for it."""
        if numbers == self.everything:
            self._all = found
            return
        is_full = len(self._sets) == self._sets.max_weight
        self._sets.put(numbers, found)
        if is_full:
            self._parts = self.used_parts()


def rules_of(node: tree.Node) -> Rules:
    """Return the rules of a condition, encoded: 5 and 5.0 are equal in Python, yet two operands."""
    return [_encode(predicate) for predicate in tree.predicates_of(node)]


@dataclass(slots=True)
class _Group:
    """Conditions that become one function."""

    numbers: list[int] = field(default_factory=list)
    different: set[bytes] = field(default_factory=set)
    repeated: int = 0

    def add(self, number: int, rules: Rules) -> None:
        """Add a condition."""
        self.numbers.append(number)
        self.different.update(rules)
        self.repeated += len(rules)

    def join(self, other: "_Group") -> None:
        """Add the conditions of another group."""
        self.numbers += other.numbers
        self.different |= other.different
        self.repeated += other.repeated

    def has_room(self, rules: Rules, share: int = 1) -> bool:
        """Tell whether more rules fit into a share of what one function may hold."""
        added = {rule for rule in rules if rule not in self.different}
        return (
            len(self.different) + len(added) <= MOST_RULES // share
            and self.repeated + len(rules) <= MOST_REPEATED // share
        )


def divide(rules: Mapping[int, Rules], starts: Sequence[int] = ()) -> list[Group]:
    """Cut ascending numbers of conditions, each with its rules, into groups of a bounded size.

    `starts` are where groups began before. A group begins there again unless it is joined to its neighbour.
    """
    found: list[_Group] = []
    for group in _cut(rules, starts):
        # Half of the limit, because joined groups shall have room for the next condition.
        if found and found[-1].has_room([rule for number in group.numbers for rule in rules[number]], 2):
            found[-1].join(group)
        else:
            found.append(group)
    return [tuple(group.numbers) for group in found]


def _cut(rules: Mapping[int, Rules], starts: Sequence[int]) -> Iterator[_Group]:
    """Yield groups that begin at the starts, and where the next condition would be too much for one."""
    group, place = _Group(), 0
    for number, own in rules.items():
        at = bisect_right(starts, number)
        if group.numbers and (at != place or not group.has_room(own)):
            yield group
            group = _Group()
        group.add(number, own)
        place = at
    if group.numbers:
        yield group


def _join(parts: Iterable[MatchFunction]) -> MatchFunction:
    """Return one function over several, whose numbers ascend from each to the next."""
    functions = tuple(parts)
    if len(functions) == 1:
        return functions[0]

    def evaluate(subject: ContactView, now: int) -> list[int]:
        found: list[int] = []
        for function in functions:
            found += function(subject, now)
        return found

    return evaluate
