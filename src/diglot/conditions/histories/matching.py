"""Finds which questions an event counts for: the rules that it matches, and the amounts of what is summed.

The rules that an event has to match are compiled to one function for all questions about a name, with the
meaning that they have for attributes. It is called for each event of a contact, also at a write: the few
events of one name that a contact has cost less than a row of totals for each group of rules would, which each
write had to keep current.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.computed_fields import source_of
from diglot.conditions.contact_view import ContactView
from diglot.conditions.events.states import MACHINE, to_decimal
from diglot.conditions.fields import ATTRIBUTE_PREFIX, attribute_key
from diglot.conditions.histories.past_events import PastEvent, read_named_properties
from diglot.conditions.python_compiler import MatchFunction, compile_to_python

# Stands in the place of rules that events have to match: all count but those that machines caused.
ALL_EVENTS: Final = ""
# For each name it is remembered what so many short bodies count for; a longer body is not remembered.
_REMEMBERED_BODIES: Final = 512
_MAX_REMEMBERED_LENGTH: Final = 300
# So many combinations of the texts that rules name in such bodies.
_REMEMBERED_TEXTS: Final = 128
_TEXT_OR_NOTHING: Final = frozenset((str, type(None)))
# The places of questions, each with the amount if a property is summed.
Counted = Sequence[tuple[int, Decimal | None]]


class _Matched(NamedTuple):
    """The places of the questions that an event counts for: without a sum, and with the property summed."""

    without_sum: list[tuple[int, None]]
    summed: list[tuple[int, str]]


class EventView(ContactView):
    """The properties of an event as attributes; nothing else of a contact is read of it."""

    __slots__ = ()

    def __init__(self, properties: Mapping[str, Any], zone: ZoneInfo) -> None:
        self.attributes = properties
        self.zone = zone
        self._derived = {}


class EventMatcher:
    """Some questions about the events of a name, in ascending order.

    Each is the stored form of a group of rules, with a property that is summed, empty if events are counted.
    """

    def __init__(self, asked: Sequence[tuple[str, str]], zone: ZoneInfo) -> None:
        self._asked, self._zone = asked, zone
        self._wheres = sorted({where for where, _ in asked})
        fields_of = [_fields_of(where) for where in self._wheres]
        machine = ATTRIBUTE_PREFIX + MACHINE
        # The numbers of the groups of rules that name `machine`.
        self._of_machines = frozenset(number for number, of in enumerate(fields_of) if machine in of)
        keys = {attribute_key(source_of(field)) for of in fields_of for field in of}
        self._keys = sorted(key for key in keys if key is not None)
        self.needs_bodies = asked != [(ALL_EVENTS, "")]
        self.needs_machines = bool(self._of_machines)

    def count(self, event: PastEvent) -> Counted:
        """Return the places of the questions that an event counts for."""
        count = self._count_short if len(event.body) <= _MAX_REMEMBERED_LENGTH else self._count
        return count(event.kind, event.body, event.by_machine)

    @cached_property
    def _count_short(self) -> Callable[[str, str, bool], Counted]:
        """Count an event with a short body; many events of one name have equal ones."""
        return lru_cache(maxsize=_REMEMBERED_BODIES)(self._count)

    def _count(self, kind: str, body: str, by_machine: bool) -> Counted:
        properties = read_named_properties(kind, body) if self.needs_bodies else {}
        texts = tuple(map(properties.get, self._keys))
        if len(body) <= _MAX_REMEMBERED_LENGTH and _TEXT_OR_NOTHING.issuperset(map(type, texts)):
            matched = self._match_texts(by_machine, texts)
        else:
            matched = self._match(by_machine, properties)
        if not matched.summed:
            return matched.without_sum
        amounts = [(place, to_decimal(properties.get(summed))) for place, summed in matched.summed]
        return [*matched.without_sum, *amounts]

    @cached_property
    def _match_texts(self) -> Callable[[bool, Sequence[str | None]], _Matched]:
        """Match an event of which rules read only texts; to them null is a missing property.

        Most events have few different texts where rules name a property.
        """

        def match(by_machine: bool, texts: Sequence[str | None]) -> _Matched:
            properties = zip(self._keys, texts, strict=True)
            return self._match(by_machine, {key: value for key, value in properties if value is not None})

        return lru_cache(maxsize=_REMEMBERED_TEXTS)(match)

    def _match(self, by_machine: bool, properties: Mapping[str, Any]) -> _Matched:
        # No rules stand first.
        numbers = [0] if self._wheres[0] == ALL_EVENTS else []
        numbers += self._evaluate(EventView(properties, self._zone), 0)
        if by_machine:
            numbers = list(self._of_machines.intersection(numbers))
        found = [self._questions[number] for number in numbers]
        return _Matched(
            [one for each in found for one in each.without_sum],
            [one for each in found for one in each.summed],
        )

    @cached_property
    def _questions(self) -> Sequence[_Matched]:
        """The places of the questions about the events that match each group of rules."""
        numbers = {where: number for number, where in enumerate(self._wheres)}
        questions = [_Matched([], []) for _ in self._wheres]
        for place, (where, summed) in enumerate(self._asked):
            of_rules = questions[numbers[where]]
            if summed:
                of_rules.summed.append((place, summed))
            else:
                of_rules.without_sum.append((place, None))
        return questions

    @cached_property
    def _evaluate(self) -> MatchFunction:
        nodes = {number: tree.decode(where) for number, where in enumerate(self._wheres) if where}
        return compile_to_python(nodes, self._zone)


def _fields_of(where: str) -> Collection[str]:
    """Return the fields that the stored form of some rules names."""
    return {predicate.field for predicate in tree.predicates_of(tree.decode(where))} if where else ()
