"""Checks conditions: the only way from a dialect's rules to a tree (semantics 6 to 8, 10, 11, 16, 17, 34)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from diglot.conditions import operands, tree
from diglot.conditions.computed_fields import FieldNameError, kind_of, resolve_name
from diglot.conditions.events.fields import is_event_field
from diglot.conditions.fields import ATTRIBUTE_PREFIX, find_key_fault
from diglot.conditions.operands import RELATIVE_OPS, OperandError
from diglot.conditions.text import normalize_name
from diglot.conditions.tree import Node, Op
from diglot.conditions.unchecked import Unchecked, UncheckedGroup, UncheckedNot, UncheckedRule, Unreadable
from diglot.errors import Fault, InvalidInput, Path

MAX_DEPTH: Final = 8
MAX_PREDICATES: Final = 250
MAX_VALUES: Final = 10_000
# A request with more faults is rejected with the first of them, because nobody reads the rest.
MAX_FAULTS: Final = 100


def check_condition(unchecked: Unchecked) -> Node:
    """Return the tree of an unchecked condition; raise `InvalidInput` with its faults in document order."""
    checker = _Checker()
    node = checker.check_node(unchecked, depth=1)
    if checker.faults or node is None:
        raise InvalidInput(checker.faults[:MAX_FAULTS])
    return node


@dataclass(slots=True)
class _Checker:
    faults: list[Fault] = field(default_factory=list)
    predicate_count: int = 0
    value_count: int = 0

    def add_fault(self, path: Path, message: str) -> None:
        self.faults.append(Fault(path, message))

    def check_node(self, unchecked: Unchecked, depth: int) -> Node | None:
        match unchecked:
            case UncheckedRule():
                return self.check_rule(unchecked)
            case UncheckedGroup():
                return self.check_group(unchecked, depth)
            case UncheckedNot():
                return self.check_negation(unchecked, depth)
            case _:
                self.faults.extend(unchecked.faults)
                return None

    def check_negation(self, negation: UncheckedNot, depth: int) -> Node | None:
        if isinstance(negation.item, UncheckedGroup) and not negation.item.items:
            self.add_fault(negation.item.path, "A nested group has at least one rule")
            return None
        item = self.check_node(negation.item, depth)
        return None if item is None else tree.Not(item)

    def check_group(self, group: UncheckedGroup, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            self.add_fault(group.path, f"Groups nest at most {MAX_DEPTH} deep")
            return None
        if depth > 1 and not group.items:
            self.add_fault(group.path, "A nested group has at least one rule")
            return None
        items: list[Node] = []
        for unchecked in group.items:
            item = self.check_node(unchecked, depth + 1)
            if item is not None:
                items.append(item)
            if len(self.faults) >= MAX_FAULTS:
                break
        return tree.All(tuple(items)) if group.mode == "all" else tree.Any(tuple(items))

    def check_rule(self, rule: UncheckedRule) -> Node | None:
        return self.check_predicate(rule, self.check_field) if self.has_room(rule) else None

    def has_room(self, rule: UncheckedRule) -> bool:
        """Count a rule, and tell whether the condition may have it."""
        self.predicate_count += 1
        if self.predicate_count == MAX_PREDICATES + 1:
            self.add_fault(rule.path, f"A condition has at most {MAX_PREDICATES} rules")
        return self.predicate_count <= MAX_PREDICATES

    def check_predicate(
        self, rule: UncheckedRule, check_field: Callable[[UncheckedRule], str | None]
    ) -> tree.Predicate | tree.Not | None:
        before = len(self.faults)
        self.faults.extend(rule.faults)
        name = check_field(rule)
        word = self.check_operator(rule, name)
        operand = None if name is None or word is None else self.check_operand(rule, name, word[0])
        where = None if rule.where is None else self.check_where(rule, rule.where, name)
        self.faults[before:] = rule.in_document_order(self.faults[before:])
        if len(self.faults) > before or name is None or word is None:
            return None
        predicate = tree.Predicate(name, word[0], operand, UNSET if where is None else where)
        return tree.Not(predicate) if word[1] else predicate

    def check_where(
        self, rule: UncheckedRule, where: UncheckedGroup | Unreadable, name: str | None
    ) -> tree.All | tree.Any | None:
        """Check the rules that an event has to match; they do not nest."""
        if isinstance(where, Unreadable):
            self.faults.extend(where.faults)
            return None
        if name is not None and not is_event_field(name):
            self.add_fault(rule.path_of(rule.where_key), "Only a rule about events has this")
            return None
        if not where.items:
            self.add_fault(where.path, "This group has at least one rule")
        items = [item for part in where.items if (item := self.check_event_rule(part)) is not None]
        return tree.All(tuple(items)) if where.mode == "all" else tree.Any(tuple(items))

    def check_event_rule(self, unchecked: Unchecked) -> Node | None:
        if isinstance(unchecked, Unreadable):
            self.faults.extend(unchecked.faults)
            return None
        assert isinstance(unchecked, UncheckedRule), "dialects read no group here"
        return self.check_predicate(unchecked, self.check_property) if self.has_room(unchecked) else None

    def check_property(self, rule: UncheckedRule) -> str | None:
        """Return the field that stands for a property of events, or note why there is none."""
        if rule.operator is not None and rule.operator in RELATIVE_OPS:
            message = (
                "The operator does not apply to properties of events, because its result changes by time"
            )
            self.add_fault(rule.path_of(rule.operator_key), message)
        if rule.field is None:
            return None
        key = normalize_name(rule.field)
        if (fault := find_key_fault(key)) is not None:
            self.add_fault(rule.path_of(rule.field_key), fault)
            return None
        return ATTRIBUTE_PREFIX + key

    def check_field(self, rule: UncheckedRule) -> str | None:
        if rule.field is None:
            return None
        try:
            return resolve_name(rule.field)
        except FieldNameError as malformed:
            self.add_fault(rule.path_of(rule.field_key), str(malformed))
            return None

    def check_operator(self, rule: UncheckedRule, name: str | None) -> tuple[Op, bool] | None:
        if rule.operator is None:
            return None
        word = tree.OPERATOR_WORDS.get(rule.operator)
        if word is None:
            self.add_fault(rule.path_of(rule.operator_key), "Unknown operator")
        elif name is not None and word[0] not in operands.OPS_BY_KIND[kind_of(name)]:
            message = f"The operator does not apply to {name} ({kind_of(name).value})"
            self.add_fault(rule.path_of(rule.operator_key), message)
            return None
        return word

    def check_operand(self, rule: UncheckedRule, name: str, op: Op) -> tree.Operand:
        if op is Op.IS_SET:
            return None
        if rule.operand is UNSET:
            self.add_fault(rule.path_of(rule.operand_key), "Required")
            return None
        if op is Op.IN:
            return self.check_values(rule, name)
        try:
            if op in operands.RELATIVE_OPS:
                return operands.read_duration(op, rule.operand)
            return operands.read_scalar(name, kind_of(name), op, rule.operand)
        except OperandError as unfit:
            self.add_fault(rule.path_of(rule.operand_key), str(unfit))
            return None

    def check_values(self, rule: UncheckedRule, name: str) -> tree.Operand:
        if not isinstance(rule.operand, list):
            self.add_fault(
                rule.path_of(rule.operand_key), str(operands.wrong_type_error("array", rule.operand))
            )
            return None
        self.value_count += len(rule.operand)
        if self.value_count > MAX_VALUES:
            self.add_fault(
                rule.path_of(rule.operand_key), f"A condition has at most {MAX_VALUES} list values in all"
            )
            return None
        values: list[tree.Scalar] = []
        for index, value in enumerate(rule.operand):
            try:
                values.append(operands.read_scalar(name, kind_of(name), Op.EQUALS, value))
            except OperandError as unfit:
                self.add_fault((*rule.path_of(rule.operand_key), index), str(unfit))
                if len(self.faults) >= MAX_FAULTS:
                    break
        return tree.Values(tuple(values))
