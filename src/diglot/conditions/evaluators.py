"""The compiled functions of a workspace's conditions: one for each set of conditions that writes evaluate.

A write evaluates only the conditions that mention a changed field, so each set of conditions gets a function
of its own, made of shared functions over groups of conditions. A group has a bounded number of rules, because
Python compiles a function without releasing the interpreter lock. If one condition changes, only the group
that contains it is compiled again.
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

# The distinct rules in one function, and all its rules: a rule that several conditions share is evaluated
# once, so its repetitions cost the compiler little. A condition has fewer than either limit. Smaller
# functions would compile no faster in total, and each would evaluate a shared rule again.
MAX_DISTINCT_RULES: Final = 800
MAX_RULES: Final = 2_500
# The number of sets of conditions that have functions of their own.
MAX_SETS: Final = 256
# Compiling a condition takes as long as evaluating it for about this number of contacts.
BREAK_EVEN_CONTACTS: Final = 1_000

Group = tuple[int, ...]
Rules = Sequence[bytes]
_encode = msgspec.json.Encoder().encode


class _Set(NamedTuple):
    """The functions of a set of conditions: one for each group, and one over all groups."""

    parts: Mapping[Group, MatchFunction]
    evaluate: MatchFunction


class Evaluators:
    """The compiled functions of numbered conditions in a time zone.

    `find` and `is_worth_compiling` return at once. `compile` may take seconds, so it never runs on the event
    loop; several threads may call it at the same time, and each function is compiled once.
    """

    def __init__(
        self, nodes: Mapping[int, tree.Node], zone: ZoneInfo, earlier: "Evaluators | None" = None
    ) -> None:
        self.nodes = nodes
        self.zone = zone
        self.all_numbers = frozenset(nodes)
        # The set of all conditions is never evicted, because the others fall back on it.
        self._whole_set: _Set | None = None
        self._sets = SharedCache[frozenset[int], _Set](MAX_SETS - 1)
        self._evaluations = SharedCache[frozenset[int], int](MAX_SETS)
        # The number of conditions compiled for sets that are not the whole.
        self._compiled = 0
        self._lock = Lock()
        # Where the groups of the whole set begin. These are kept, because a group whose own start moved would
        # have to be compiled again when its neighbor grows or shrinks.
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
        """Return the functions of the groups in use."""
        sets = [*self._sets.copy().values(), *([] if self._whole_set is None else [self._whole_set])]
        return {group: part for functions in sets for group, part in functions.parts.items()}

    def find(self, numbers: frozenset[int]) -> MatchFunction | None:
        """Return the function of a set of conditions if it is compiled, else None."""
        compiled = self._find(numbers)
        return None if compiled is None else compiled.evaluate

    def _find(self, numbers: frozenset[int]) -> _Set | None:
        return self._whole_set if numbers == self.all_numbers else self._sets.get(numbers)

    def is_worth_compiling(self, numbers: frozenset[int], times: int) -> bool:
        """Tell whether a set is worth a function of its own; it is evaluated `times` times now.

        Contacts of one write may differ in so many ways that each needs another set. Once as many conditions
        were compiled for sets as exist in all, a set is compiled only when its past and present evaluations
        cost more than compiling it: until then the function of all conditions is evaluated in its place.
        """
        size, whole = len(numbers), len(self.nodes)
        if size == whole or self._compiled + size <= whole:
            return True
        evaluations = (self._evaluations.get(numbers) or 0) + times
        self._evaluations.put(numbers, evaluations)
        return evaluations * (whole - size) >= BREAK_EVEN_CONTACTS * size

    def compile(self, numbers: frozenset[int]) -> MatchFunction:
        """Return the function of a set of conditions, compiling it if necessary."""
        with self._lock:
            # Another thread may have compiled it while this one waited for the lock.
            compiled = self._find(numbers)
            if compiled is None:
                compiled = self._compile(numbers)
                self._store(numbers, compiled)
        return compiled.evaluate

    def _compile(self, numbers: frozenset[int]) -> _Set:
        is_whole_set = numbers == self.all_numbers
        rules = {number: rules_of(self.nodes[number]) for number in sorted(numbers)}
        groups = divide(rules, self.starts if is_whole_set else ())
        if is_whole_set:
            self.starts = [group[0] for group in groups]
        parts: dict[Group, MatchFunction] = {}
        for group in groups:
            if group not in self._parts:
                self._parts[group] = compile_to_python(
                    {number: self.nodes[number] for number in group}, self.zone
                )
                self._compiled += 0 if is_whole_set else len(group)
            parts[group] = self._parts[group]
        return _Set(parts, _join(parts.values()))

    def _store(self, numbers: frozenset[int], compiled: _Set) -> None:
        """Store a set, and drop the functions of one that was evicted for it."""
        if numbers == self.all_numbers:
            self._whole_set = compiled
            return
        is_full = len(self._sets) == self._sets.max_weight
        self._sets.put(numbers, compiled)
        if is_full:
            self._parts = self.used_parts()


def rules_of(node: tree.Node) -> Rules:
    """Return the encoded rules of a condition; 5 and 5.0, equal in Python, are distinct operands."""
    return [_encode(predicate) for predicate in tree.predicates_of(node)]


@dataclass(slots=True)
class _Group:
    """A group of conditions, compiled to one function."""

    numbers: list[int] = field(default_factory=list)
    distinct: set[bytes] = field(default_factory=set)
    total: int = 0

    def add(self, number: int, rules: Rules) -> None:
        """Add a condition."""
        self.numbers.append(number)
        self.distinct.update(rules)
        self.total += len(rules)

    def join(self, other: "_Group") -> None:
        """Add the conditions of another group."""
        self.numbers += other.numbers
        self.distinct |= other.distinct
        self.total += other.total

    def has_room(self, rules: Rules, share: int = 1) -> bool:
        """Tell whether more rules fit into a fraction (1 / share) of the limits."""
        added = {rule for rule in rules if rule not in self.distinct}
        return (
            len(self.distinct) + len(added) <= MAX_DISTINCT_RULES // share
            and self.total + len(rules) <= MAX_RULES // share
        )


def divide(rules: Mapping[int, Rules], starts: Sequence[int] = ()) -> list[Group]:
    """Divide conditions, in order of their numbers, into groups of a bounded size.

    `starts` are the first numbers of earlier groups. A group starts there again, unless it is merged with its
    neighbor.
    """
    groups: list[_Group] = []
    for group in _cut(rules, starts):
        # Half of the limit, so that a merged group has room for the next condition.
        if groups and groups[-1].has_room([rule for number in group.numbers for rule in rules[number]], 2):
            groups[-1].join(group)
        else:
            groups.append(group)
    return [tuple(group.numbers) for group in groups]


def _cut(rules: Mapping[int, Rules], starts: Sequence[int]) -> Iterator[_Group]:
    """Yield groups that begin index the starts, and wherever the next condition would exceed a limit."""
    group, start_index = _Group(), 0
    for number, condition_rules in rules.items():
        index = bisect_right(starts, number)
        if group.numbers and (index != start_index or not group.has_room(condition_rules)):
            yield group
            group = _Group()
        group.add(number, condition_rules)
        start_index = index
    if group.numbers:
        yield group


def _join(parts: Iterable[MatchFunction]) -> MatchFunction:
    """Return one function over those of several groups, in order of their numbers."""
    functions = tuple(parts)
    if len(functions) == 1:
        return functions[0]

    def evaluate(subject: ContactView, now: int) -> list[int]:
        matches: list[int] = []
        for function in functions:
            matches += function(subject, now)
        return matches

    return evaluate
