"""Conditions as gates, and the bit of each gate.

A gate is *ruled out* if a predicate that it requires is false, if one that it forbids is true, or if one of
its inner gates is not ruled out. So a gate is an AND, and an OR is an inner gate of the complements:

    plan = pro AND (city = Rome OR city = Oslo)   =   gate(requires plan = pro, inner gate(forbids both))

Every tree becomes gates whose depth is at most that of the tree. A condition matches if its outermost gate is
not ruled out; if the condition as a whole is an OR, if it is ruled out.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from diglot.conditions import tree
from diglot.conditions.index.masks import join_bits, select_items

# The gates of more conditions are not widened one by one.
_FEW: Final = 4
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Gate:
    """The predicates that a gate requires and forbids, by their encoded form, and its inner gates.

    The encoded form is the key of a predicate, because 5 and 5.0, equal in Python, are distinct operands.
    """

    required: dict[bytes, tree.Predicate] = field(default_factory=dict)
    forbidden: dict[bytes, tree.Predicate] = field(default_factory=dict)
    inner: "list[Gate]" = field(default_factory=list)

    def demand(self, node: tree.Node, wanted: bool) -> None:
        """Rule the gate out wherever the result of a node is not the wanted one."""
        if isinstance(node, tree.Predicate):
            (self.required if wanted else self.forbidden)[_encode(node)] = node
        elif isinstance(node, tree.Not):
            self.demand(node.item, not wanted)
        elif not node.items:
            # An empty group is false, and a gate without demands is never ruled out.
            self.inner += [Gate()] * wanted
        elif len(node.items) == 1 or isinstance(node, tree.All) == wanted:
            for item in node.items:
                self.demand(item, wanted)
        else:
            gate = Gate()
            for item in node.items:
                gate.demand(item, not wanted)
            self.inner.append(gate)


def gate_of(node: tree.Node) -> tuple[Gate, bool]:
    """Return the outermost gate of a condition, and whether the condition matches when it is ruled out."""
    gate = Gate()
    gate.demand(node, wanted=True)
    if len(gate.inner) == 1 and not gate.required and not gate.forbidden:
        return gate.inner[0], True
    return gate, False


class Uses(NamedTuple):
    """A predicate, and the bits of the gates that require it and of those that forbid it."""

    predicate: tree.Predicate
    required: list[int]
    forbidden: list[int]


class Level(NamedTuple):
    """Masks of the gates at one depth that have inner gates: the inner gates, the runs before them, and they.

    A run is all bits of the gates inside of a gate, which precede its own bit.
    """

    inner: int
    runs: int
    outer: int


class Layout:
    """The bits of the gates of numbered conditions, and which gates use each predicate.

    Gates with inner ones come first, each right after the gates inside of it. So one addition says for all
    gates of a depth whether any of their inner gates is not ruled out: its bits and the ones of the run carry
    over into the bit of the gate.
    """

    def __init__(self, conditions: Mapping[int, tree.Node]) -> None:
        self.width = 0
        self.uses: dict[bytes, Uses] = {}
        # The numbers of the conditions by the bits of their outermost gates, and the other way around.
        self.numbers: dict[int, int] = {}
        self.bits: dict[int, int] = {}
        # Where the gates of each condition with inner ones begin and end, in order.
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._inner: list[list[int]] = []
        self._runs: list[list[int]] = []
        self._outer: list[list[int]] = []
        inverted: list[int] = []
        flat: list[tuple[int, Gate, bool]] = []
        for number, node in conditions.items():
            gate, is_inverted = gate_of(node)
            if gate.inner:
                self._begins.append(self.width)
                self._place_condition(number, gate, inverted if is_inverted else None)
                self._ends.append(self.width)
            else:
                flat.append((number, gate, is_inverted))
        # The mask of the gates of these conditions.
        self.nested = (1 << self.width) - 1
        self.levels = list(self._levels())
        for number, gate, is_inverted in flat:
            self._place_condition(number, gate, inverted if is_inverted else None)
        self.inverted = join_bits(inverted, self.width)
        self.roots = join_bits(self.numbers, self.width)

    def widen(self, gates: int, most: int = _FEW) -> int:
        """Return some gates and all others of their conditions.

        If more than `most` have inner gates or are inside of one, further ones may be among them.
        """
        nested = gates & self.nested
        if not nested:
            return gates
        if nested.bit_count() > most:
            return gates | self.nested
        for bit in select_items(range(self.width), nested):
            place = bisect_right(self._begins, bit) - 1
            gates |= (1 << self._ends[place]) - (1 << self._begins[place])
        return gates

    def _place_condition(self, number: int, gate: Gate, inverted: list[int] | None) -> None:
        bit = self._place(gate, 0)
        self.numbers[bit], self.bits[number] = number, bit
        if inverted is not None:
            inverted.append(bit)

    def _place(self, gate: Gate, depth: int) -> int:
        """Give bits to a gate and those inside of it; return its own."""
        if gate.inner:
            while len(self._outer) <= depth:
                for lists in (self._inner, self._runs, self._outer):
                    lists.append([])
            begin = self.width
            self._inner[depth] += [self._place(inner, depth + 1) for inner in gate.inner]
            self._runs[depth] += range(begin, self.width)
            self._outer[depth].append(self.width)
        bit = self.width
        self.width += 1
        for encoded, predicate in gate.required.items():
            self._uses_of(encoded, predicate).required.append(bit)
        for encoded, predicate in gate.forbidden.items():
            self._uses_of(encoded, predicate).forbidden.append(bit)
        return bit

    def _uses_of(self, encoded: bytes, predicate: tree.Predicate) -> Uses:
        uses = self.uses.get(encoded)
        if uses is None:
            uses = self.uses[encoded] = Uses(predicate, [], [])
        return uses

    def _levels(self) -> Iterator[Level]:
        """Yield the levels, the deepest first."""
        for bits in zip(reversed(self._inner), reversed(self._runs), reversed(self._outer), strict=True):
            yield Level(*(join_bits(part, self.width) for part in bits))
