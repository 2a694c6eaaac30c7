"""The evaluator that the index of conditions replaced: compiled functions of groups of conditions.

It is what the index is measured against, unchanged.

The conditions are divided into groups, and each group is compiled to one function. A group has a bounded
number of rules, because Python compiles a function without releasing the interpreter lock. If one condition
changes, only its group is compiled again; the others are reused.

A write evaluates only the conditions that mention a changed field. It calls the functions of their groups, or
one function of just these conditions, if they fit into one and are evaluated often enough.
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
# once, so its repetitions cost the compiler little. A condition has fewer than either limit. Measured: 400
# distinct rules are compiled in 10 ms, 1,200 rules over 400 distinct ones in 15 ms, 2,500 in 35 ms, and no
# other thread runs meanwhile. Smaller functions would compile no faster in total, and each would evaluate a
# shared rule again.
MAX_DISTINCT_RULES: Final = 400
MAX_RULES: Final = 1_200
# Compiling a condition takes as long as evaluating it for about this number of contacts.
BREAK_EVEN_CONTACTS: Final = 1_000
# Memory of compiled code for one rule: measured at 1.6 to 2.0 KB.
BYTES_OF_A_RULE: Final = 2_000
# Memory of a number in a set.
BYTES_OF_A_NUMBER: Final = 80
# Memory for selections of one workspace at most, whatever fields its contacts change.
MAX_SELECTION_BYTES: Final = 8_000_000

Group = tuple[int, ...]
# A hash of each rule of a condition: of its encoded form, because 5 and 5.0, equal in Python, are distinct
# operands. Hashes are only counted, so that two rules with one hash do no harm.
Rules = Sequence[int]
_encode = msgspec.json.Encoder().encode


class _Selection:
    """The function that evaluates some of the conditions, and how often it has been called."""

    __slots__ = ("calls_worth_compiling", "evaluate", "expected_calls", "is_apart", "weight")

    def __init__(
        self, evaluate: MatchFunction, calls_worth_compiling: float, weight: int, *, is_apart: bool
    ) -> None:
        self.evaluate = evaluate
        self.calls_worth_compiling = calls_worth_compiling
        self.weight = weight
        # Whether the function is compiled of just these conditions.
        self.is_apart = is_apart
        self.expected_calls = 0

    def is_ready(self, times: int) -> bool:
        """Count expected calls, and tell whether a function of its own is not worth compiling even so."""
        self.expected_calls += times
        return self.expected_calls < self.calls_worth_compiling


class _Compiled(NamedTuple):
    """What an object has compiled: where its groups begin, the functions of these, and the others."""

    starts: Sequence[int]
    rules: Mapping[int, Rules]
    parts: Mapping[Group, MatchFunction]
    selections: Mapping[frozenset[int], _Selection]


class Evaluators:
    """The compiled functions of numbered conditions in a time zone.

    `find` returns at once. `compile` may take seconds, so it never runs on the event loop; several threads
    may call it at the same time, and each function is compiled once.
    """

    def __init__(
        self, nodes: Mapping[int, tree.Node], zone: ZoneInfo, earlier: "Evaluators | None" = None
    ) -> None:
        self.nodes = nodes
        self.zone = zone
        self.all_numbers = frozenset(nodes)
        self.selections = SharedCache[frozenset[int], _Selection](
            MAX_SELECTION_BYTES, lambda _, selection: selection.weight
        )
        self._lock = Lock()
        self._rules: dict[int, Rules] = {}
        self._groups: Sequence[Group] | None = None
        # Where the groups begin. These are kept, because a group whose own start moved would have to be
        # compiled again when its neighbor grows or shrinks.
        self.starts: Sequence[int] = ()
        self._parts: dict[Group, MatchFunction] = {}
        # The number of conditions in functions that are not those of groups.
        self._compiled_apart = 0
        if earlier is not None and earlier.zone == zone:
            same = {number for number, node in nodes.items() if earlier.nodes.get(number) is node}
            self._take_over(earlier.compiled(), same)

    def compiled(self) -> _Compiled:
        """Return what is compiled now."""
        # A thread that compiles meanwhile adds to the dictionaries, which are copied in one step each.
        return _Compiled(self.starts, self._rules.copy(), self._parts.copy(), self.selections.copy())

    def _take_over(self, earlier: _Compiled, same: set[int]) -> None:
        """Reuse what was compiled of the same condition objects."""
        self.starts = earlier.starts
        self._rules = {number: rules for number, rules in earlier.rules.items() if number in same}
        self._parts = {group: part for group, part in earlier.parts.items() if same.issuperset(group)}
        for numbers, selection in earlier.selections.items():
            if selection.is_apart and same.issuperset(numbers):
                self.selections.put(numbers, selection)
                self._compiled_apart += len(numbers)

    def find(self, numbers: frozenset[int], times: int = 1) -> MatchFunction | None:
        """Return the function of conditions if it is compiled, else None; it is called `times` times now."""
        selection = self.selections.get(numbers)
        return selection.evaluate if selection is not None and selection.is_ready(times) else None

    @property
    def are_compiled(self) -> bool:
        """Whether no condition is left to compile, and a write of any contact finds its functions."""
        return not self.nodes or (self._groups is not None and len(self._parts) == len(self._groups))

    def compile(self, numbers: frozenset[int], times: int = 1) -> MatchFunction:
        """Return the function of conditions, compiling what it needs."""
        with self._lock:
            # Another thread may have compiled it while this one waited for the lock.
            evaluate = self.find(numbers, 0)
            return self._compile(numbers, times) if evaluate is None else evaluate

    def _compile(self, numbers: frozenset[int], times: int) -> MatchFunction:
        groups = [group for group in self._divide() if not numbers.isdisjoint(group)]
        covered = sum(map(len, groups))
        known = self.selections.get(numbers)
        calls = times if known is None else known.expected_calls
        worth = self._calls_worth_compiling(numbers, covered)
        if covered > len(numbers) and calls >= worth:
            evaluate, weight = self._compile_apart(numbers), self._weigh(numbers)
            selection = _Selection(evaluate, float("inf"), weight, is_apart=True)
        else:
            joined = _join([self._compile_group(group) for group in groups])
            exact = joined if covered == len(numbers) else _restrict(joined, numbers)
            weight = 1_000 + BYTES_OF_A_NUMBER * len(numbers)
            selection = _Selection(exact, worth, weight, is_apart=False)
            selection.expected_calls = calls
        self.selections.put(numbers, selection)
        return selection.evaluate

    def _divide(self) -> Sequence[Group]:
        """Return the groups, and forget the functions of groups that no longer exist."""
        if self._groups is None:
            rules = {number: self._rules_of(number) for number in sorted(self.nodes)}
            self._groups = divide(rules, self.starts)
            self.starts = [group[0] for group in self._groups]
            self._parts = {group: self._parts[group] for group in self._groups if group in self._parts}
        return self._groups

    def _rules_of(self, number: int) -> Rules:
        if number not in self._rules:
            self._rules[number] = rules_of(self.nodes[number])
        return self._rules[number]

    def _compile_group(self, group: Group) -> MatchFunction:
        if group not in self._parts:
            self._parts[group] = compile_to_python(
                {number: self.nodes[number] for number in group}, self.zone
            )
        return self._parts[group]

    def _calls_worth_compiling(self, numbers: frozenset[int], covered: int) -> float:
        """Return after how many calls a function of just these conditions is worth compiling.

        Contacts of one write may differ in so many ways that each needs another function. Once as many
        conditions were compiled apart as exist in all, a function is compiled only when its calls cost more
        without it: until then the functions of the groups are called in its place.
        """
        size = len(numbers)
        if covered == size or not self._fit_into_one_function(numbers):
            return float("inf")
        if self._compiled_apart + size <= len(self.nodes):
            return 0
        return BREAK_EVEN_CONTACTS * size / (covered - size)

    def _fit_into_one_function(self, numbers: frozenset[int]) -> bool:
        group = _Group()
        for number in numbers:
            rules = self._rules_of(number)
            if not group.has_room(rules):
                return False
            group.add(number, rules)
        return True

    def _compile_apart(self, numbers: frozenset[int]) -> MatchFunction:
        self._compiled_apart += len(numbers)
        return compile_to_python({number: self.nodes[number] for number in sorted(numbers)}, self.zone)

    def _weigh(self, numbers: frozenset[int]) -> int:
        rules = sum(len(self._rules_of(number)) for number in numbers)
        return 1_000 + BYTES_OF_A_NUMBER * len(numbers) + BYTES_OF_A_RULE * rules


def rules_of(node: tree.Node) -> Rules:
    """Return a hash of each rule of a condition."""
    return [hash(_encode(predicate)) for predicate in tree.predicates_of(node)]


@dataclass(slots=True)
class _Group:
    """A group of conditions, compiled to one function."""

    numbers: list[int] = field(default_factory=list)
    distinct: set[int] = field(default_factory=set)
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
    """Yield groups that begin at the starts, and wherever the next condition would exceed a limit."""
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


def _restrict(function: MatchFunction, numbers: frozenset[int]) -> MatchFunction:
    """Return a function that leaves other numbers out."""
    return lambda subject, now: [number for number in function(subject, now) if number in numbers]
