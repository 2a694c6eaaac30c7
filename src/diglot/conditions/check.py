"""The one door into the condition model: types, limits and paths (semantics 6 to 8, 10, 11, 16, 17)."""

from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import operands, tree
from diglot.conditions.fields import attribute_key, key_fault, kind_of, resolve
from diglot.conditions.operands import Unfit
from diglot.conditions.tree import Node, Op
from diglot.conditions.unchecked import ABSENT, Group, Leaf, Negation, Written
from diglot.errors import Fault, Invalid, Path

MOST_DEPTH: Final = 8
MOST_PREDICATES: Final = 250
MOST_VALUES: Final = 10_000
# A body full of faults is refused with the first of them; nobody reads the rest.
MOST_FAULTS: Final = 100


def check(written: Written, zone: ZoneInfo) -> Node:
    """Return the tree of a condition as written; raise `Invalid` with its faults in document order."""
    checker = _Check(zone)
    node = checker.node(written, depth=1)
    if checker.faults or node is None:
        raise Invalid(checker.faults[:MOST_FAULTS])
    return node


@dataclass(slots=True)
class _Check:
    zone: ZoneInfo
    faults: list[Fault] = field(default_factory=list)
    predicates: int = 0
    values: int = 0

    def fault(self, path: Path, message: str) -> None:
        self.faults.append(Fault(path, message))

    def node(self, written: Written, depth: int) -> Node | None:
        match written:
            case Leaf():
                return self.leaf(written)
            case Group():
                return self.group(written, depth)
            case Negation():
                return self.negation(written, depth)
            case _:
                self.faults.extend(written.faults)
                return None

    def negation(self, negation: Negation, depth: int) -> Node | None:
        if isinstance(negation.item, Group) and not negation.item.items:
            self.fault(negation.item.path, "A nested group has at least one rule")
            return None
        item = self.node(negation.item, depth)
        return None if item is None else tree.Not(item)

    def group(self, group: Group, depth: int) -> Node | None:
        if depth > MOST_DEPTH:
            self.fault(group.path, f"Groups nest at most {MOST_DEPTH} deep")
            return None
        if depth > 1 and not group.items:
            self.fault(group.path, "A nested group has at least one rule")
            return None
        items: list[Node] = []
        for written in group.items:
            item = self.node(written, depth + 1)
            if item is not None:
                items.append(item)
            if len(self.faults) >= MOST_FAULTS:
                break
        return tree.All(tuple(items)) if group.mode == "all" else tree.Any(tuple(items))

    def leaf(self, leaf: Leaf) -> Node | None:
        self.predicates += 1
        if self.predicates == MOST_PREDICATES + 1:
            self.fault(leaf.path, f"A condition has at most {MOST_PREDICATES} rules")
        if self.predicates > MOST_PREDICATES:
            return None
        before = len(self.faults)
        self.faults.extend(leaf.faults)
        name = self.name(leaf)
        word = self.word(leaf, name)
        operand = None if name is None or word is None else self.operand(leaf, name, word[0])
        self.faults[before:] = leaf.in_order(self.faults[before:])
        if len(self.faults) > before or name is None or word is None:
            return None
        predicate = tree.Predicate(name, word[0], operand)
        return tree.Not(predicate) if word[1] else predicate

    def name(self, leaf: Leaf) -> str | None:
        if leaf.field is None:
            return None
        name = resolve(leaf.field)
        key = attribute_key(name)
        if key is not None and (message := key_fault(key)) is not None:
            self.fault(leaf.at(leaf.field_key), message)
            return None
        return name

    def word(self, leaf: Leaf, name: str | None) -> tuple[Op, bool] | None:
        if leaf.word is None:
            return None
        word = tree.WORDS.get(leaf.word)
        if word is None:
            self.fault(leaf.at(leaf.operator_key), "Unknown operator")
        elif name is not None and word[0] not in operands.OPS[kind_of(name)]:
            message = f"The operator does not apply to {name} ({kind_of(name).value})"
            self.fault(leaf.at(leaf.operator_key), message)
            return None
        return word

    def operand(self, leaf: Leaf, name: str, op: Op) -> tree.Operand:
        if op is Op.IS_SET:
            return None
        if leaf.operand is ABSENT:
            self.fault(leaf.at(leaf.operand_key), "Required")
            return None
        if op is Op.IN:
            return self.list(leaf, name)
        try:
            if op in operands.DAY_OPS:
                return operands.days(leaf.operand)
            return operands.scalar(name, kind_of(name), op, leaf.operand, self.zone)
        except Unfit as unfit:
            self.fault(leaf.at(leaf.operand_key), str(unfit))
            return None

    def list(self, leaf: Leaf, name: str) -> tree.Operand:
        if not isinstance(leaf.operand, list):
            self.fault(leaf.at(leaf.operand_key), str(operands.expected("array", leaf.operand)))
            return None
        self.values += len(leaf.operand)
        if self.values > MOST_VALUES:
            self.fault(leaf.at(leaf.operand_key), f"A condition has at most {MOST_VALUES} list values in all")
            return None
        values: list[tree.Scalar] = []
        for index, value in enumerate(leaf.operand):
            try:
                values.append(operands.scalar(name, kind_of(name), Op.EQUALS, value, self.zone))
            except Unfit as unfit:
                self.fault((*leaf.at(leaf.operand_key), index), str(unfit))
                if len(self.faults) >= MOST_FAULTS:
                    break
        return tree.Values(tuple(values))
