"""Compiles conditions to one Python function, which tells the conditions that a contact meets.

The second compiler of the tree beside SQL, for a changed contact against many segments. Both are held by the
same rows of truth. Each value of the contact is read once; operands are constants of the function, never
part of its text.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import dates, python_runtime, text, tree
from diglot.conditions.contact_view import Subject, is_big
from diglot.conditions.fields import Kind, attribute_key, kind_of
from diglot.conditions.operands import ORDER_OPS
from diglot.conditions.tree import Op

# The numbers of the conditions that a contact meets at an instant in microseconds.
Evaluate = Callable[[Subject, int], list[int]]
_HELPERS: Final[dict[str, Any]] = {name: getattr(python_runtime, name) for name in python_runtime.__all__}
_encode = msgspec.json.Encoder().encode
_COMPARE: Final = {
    Op.GT: ">",
    Op.AFTER: ">",
    Op.GTE: ">=",
    Op.LT: "<",
    Op.BEFORE: "<",
    Op.LTE: "<=",
    Op.EQUALS: "==",
}


def generate(conditions: Mapping[int, tree.Node], zone: ZoneInfo) -> Evaluate:
    """Return the function that tells which conditions, by number, a contact meets in a time zone."""
    writer = _Writer(zone, _shared(conditions.values()))
    tests = [(number, writer.condition(node)) for number, node in conditions.items()]
    lines = ["def evaluate(s, now):", *(f"    {name} = {read}" for read, name in writer.reads.items())]
    lines += [f"    {name} = {test}" for name, test in writer.known.values()]
    lines += ["    met = []", "    add = met.append"]
    for number, test in tests:
        lines += [f"    if {test}:", f"        add({number})"]
    source = "\n".join([*lines, "    return met"])
    namespace = _HELPERS | writer.constants
    exec(compile(source, "<conditions>", "exec"), namespace)  # noqa: S102 - operands are constants of it
    evaluate: Evaluate = namespace["evaluate"]
    return evaluate


def _shared(nodes: Iterable[tree.Node]) -> frozenset[bytes]:
    """Return the predicates, encoded, that stand in the conditions more than once: asked once for all."""
    counts = Counter(_encode(predicate) for node in nodes for predicate in tree.predicates_of(node))
    return frozenset(encoded for encoded, times in counts.items() if times > 1)


class _Writer:
    """Writes expressions, and collects what they read and their constants."""

    def __init__(self, zone: ZoneInfo, shared: frozenset[bytes]) -> None:
        self.zone = zone
        self.shared = shared
        # The local variable and the expression of each shared predicate.
        self.known: dict[bytes, tuple[str, str]] = {}
        self.reads: dict[str, str] = {}
        self.constants: dict[str, Any] = {"zone": zone}

    def read(self, expression: str) -> str:
        """Return the local variable that holds what an expression reads of the contact or the clock."""
        return self.reads.setdefault(expression, f"r{len(self.reads)}")

    def constant(self, value: Any) -> str:
        """Return the name of a constant."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def field(self, name: str) -> str:
        """Return the local variable of a plain field."""
        return self.read(f"s.fields[{name!r}]")

    def number(self, name: str) -> str:
        """Return the local variable of a plain number or instant, NaN where the contact has none.

        Every comparison with NaN is false, as every predicate on a missing value is, without a test for None.
        """
        return self.read(f"number_or_nan({self.field(name)})")

    def condition(self, node: tree.Node) -> str:
        """Return the expression of a whole condition; a draft is false for everybody."""
        return "False" if tree.is_draft(node) else self.node(node)

    def node(self, node: tree.Node) -> str:
        if isinstance(node, tree.Predicate):
            return self.predicate(node)
        if isinstance(node, tree.Not):
            return f"(not {self.node(node.item)})"
        word = " and " if isinstance(node, tree.All) else " or "
        return f"({word.join(self.node(item) for item in node.items)})"

    def predicate(self, predicate: tree.Predicate) -> str:
        """Return the expression of a predicate, or the local variable that holds what it says."""
        encoded = _encode(predicate)
        if encoded not in self.shared:
            return _BRANCHES[kind_of(predicate.field)](predicate, self)
        if encoded not in self.known:
            test = _BRANCHES[kind_of(predicate.field)](predicate, self)
            self.known[encoded] = f"p{len(self.known)}", test
        return self.known[encoded][0]

    def instant(self, moment: tree.Operand) -> int:
        """Return the instant that a date or an instant stands for."""
        if isinstance(moment, tree.Instant):
            return moment.value
        assert isinstance(moment, tree.Day)
        return dates.day_begins(date.fromisoformat(moment.value), self.zone)

    def days(self, op: Op, days: int, value: str) -> str:
        """Compare an instant with days before now; NaN, which stands for a missing instant, is in none."""
        if op is Op.EXACTLY_DAYS_AGO:
            span = self.read(f"day_before({self.read('today_of(now, zone)')}, {days}, zone)")
            return f"({span}[0] <= {value} < {span}[1])"
        age = self.read(f"now - {value}")
        if op is Op.MORE_THAN_DAYS_AGO:
            return f"({age} > {days * dates.DAY})"
        return f"(0 <= {age} <= {days * dates.DAY})"


def _scalars(operand: tree.Operand) -> tuple[tree.Scalar, ...]:
    if isinstance(operand, tree.Values):
        return operand.values
    assert operand is not None
    assert not isinstance(operand, tree.Days)
    return (operand,)


def _texts(operand: tree.Operand) -> frozenset[str]:
    return frozenset(one.value for one in _scalars(operand) if isinstance(one, tree.Text))


def _text(predicate: tree.Predicate, writer: _Writer) -> str:
    op = predicate.op
    if op in (Op.IS_SET, Op.EQUALS, Op.IN):
        value = writer.read(f"s.text({predicate.field!r})")
        if op is Op.IS_SET:
            return f"({value} is not None and not is_blank({value}))"
        return f"({value} in {writer.constant(_texts(predicate.operand))})"
    folded = writer.read(f"s.fold({predicate.field!r})")
    (written,) = _texts(predicate.operand)
    part = writer.constant(text.fold(written))
    if op is Op.CONTAINS:
        return f"({folded} is not None and {part} in {folded})"
    method = "startswith" if op is Op.STARTS_WITH else "endswith"
    return f"({folded} is not None and {folded}.{method}({part}))"


def _choice(predicate: tree.Predicate, writer: _Writer) -> str:
    if predicate.op is Op.IS_SET:
        return "True"
    return f"({writer.field('status')} in {writer.constant(_texts(predicate.operand))})"


def _boolean(predicate: tree.Predicate, writer: _Writer) -> str:
    if predicate.op is Op.IS_SET:
        return "True"
    wanted = {one.value for one in _scalars(predicate.operand) if isinstance(one, tree.Boolean)}
    subscribed = f"({writer.field('status')} == 'subscribed')"
    return f"({subscribed} in {writer.constant(frozenset(wanted))})"


def _any_of(values: frozenset[str], held: str, writer: _Writer) -> str:
    """Tell whether a set or a tuple holds any of the values."""
    if len(values) == 1:
        return f"({writer.constant(*values)} in {held})"
    return f"(not {writer.constant(values)}.isdisjoint({held}))"


def _tags(predicate: tree.Predicate, writer: _Writer) -> str:
    op = predicate.op
    if op is Op.IS_SET:
        return f"(len({writer.read('s.tags()')}) > 0)"
    values = _texts(predicate.operand)
    if op in (Op.EQUALS, Op.CONTAINS, Op.IN):
        return _any_of(values, writer.read("s.tags()"), writer)
    (written,) = values
    helper = "begins" if op is Op.STARTS_WITH else "ends"
    return f"{helper}({writer.read('s.tag_folds()')}, {writer.constant(text.fold(written))})"


def _lists(predicate: tree.Predicate, writer: _Writer) -> str:
    lists = writer.read("s.lists")
    if predicate.op is Op.IS_SET:
        return f"(len({lists}) > 0)"
    # Of two whole ids one starts or ends with the other only when they are equal.
    return f"(not {writer.constant(_texts(predicate.operand))}.isdisjoint({lists}))"


def _number(predicate: tree.Predicate, writer: _Writer) -> str:
    value = writer.field(predicate.field)
    if predicate.op is Op.IS_SET:
        return f"({value} is not None)"
    numbers = [one.value for one in _scalars(predicate.operand) if isinstance(one, tree.Number)]
    if predicate.op is Op.IN:
        return f"({value} is not None and among({value}, {writer.constant(python_runtime.Numbers(numbers))}))"
    (number,) = numbers
    return f"({writer.number(predicate.field)} {_COMPARE[predicate.op]} {writer.constant(float(number))})"


def _instant(predicate: tree.Predicate, writer: _Writer) -> str:
    value = writer.field(predicate.field)
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return f"({value} is not None)"
    if isinstance(operand, tree.Days):
        return writer.days(op, operand.value, writer.number(predicate.field))
    if op in (Op.EQUALS, Op.IN):
        spans = writer.constant(_spans(_scalars(operand), writer.zone))
        return f"({value} is not None and within({value}, {spans}))"
    return f"({writer.number(predicate.field)} {_COMPARE[op]} {writer.constant(writer.instant(operand))})"


def _spans(moments: tuple[tree.Scalar, ...], zone: ZoneInfo) -> python_runtime.Spans:
    days = [date.fromisoformat(one.value) for one in moments if isinstance(one, tree.Day)]
    instants = [one.value for one in moments if isinstance(one, tree.Instant)]
    spans = [dates.day_span(day, zone) for day in days]
    return python_runtime.Spans([*spans, *((instant, instant + 1) for instant in instants)])


def _attribute(predicate: tree.Predicate, writer: _Writer) -> str:
    key = attribute_key(predicate.field)
    # A key has no quote and no control character, so that its literal is what it is.
    value = writer.read(f"s.attribute({key!r})")
    op, operand = predicate.op, predicate.operand
    if isinstance(operand, tree.Days):
        return writer.days(op, operand.value, writer.read(f"instant_of({value})"))
    if isinstance(operand, tree.Day | tree.Instant) and op is not Op.EQUALS:
        instant = writer.read(f"instant_of({value})")
        return f"({instant} {_COMPARE[op]} {writer.constant(writer.instant(operand))})"
    if op in ORDER_OPS and isinstance(operand, tree.Number) and not is_big(operand.value):
        # Unless both are big integers they compare as doubles (semantics 12).
        double = writer.read(f"double_of({value})")
        limit = writer.constant(float(operand.value))
        return f"({double} {_COMPARE[op]} {limit})"
    return f"({value} is not None and {_attribute_test(predicate, value, writer)})"


def _attribute_test(predicate: tree.Predicate, value: str, writer: _Writer) -> str:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return f"{value}.is_set"
    scalars = _scalars(operand)
    if op in (Op.EQUALS, Op.IN):
        return _attribute_in(scalars, value, writer)
    (scalar,) = scalars
    if op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
        return _attribute_part(op, scalar, value, writer)
    assert isinstance(scalar, tree.Number)
    operator = writer.constant(python_runtime.OPERATORS[_COMPARE[op]])
    return f"ordered({value}, {operator}, {writer.constant(scalar.value)})"


def _attribute_in(scalars: tuple[tree.Scalar, ...], value: str, writer: _Writer) -> str:
    spelled = frozenset(
        text.spelling(one.value) for one in scalars if isinstance(one, tree.Text | tree.Boolean)
    )
    numbers = [one.value for one in scalars if isinstance(one, tree.Number)]
    tests = [_any_of(spelled, writer.read(f"spelled_of({value})"), writer)] if spelled else []
    if numbers:
        tests.append(f"equal_any({value}.numbers, {writer.constant(python_runtime.Numbers(numbers))})")
    return f"({' or '.join(tests)})" if tests else "False"


def _attribute_part(op: Op, scalar: tree.Scalar, value: str, writer: _Writer) -> str:
    if isinstance(scalar, tree.Number):
        return f"{value}.array and equal({value}.numbers, {writer.constant(scalar.value)})"
    assert isinstance(scalar, tree.Text | tree.Boolean)
    spelled = text.spelling(scalar.value)
    exact = f"{writer.constant(spelled)} in {value}.spelled"
    if isinstance(scalar, tree.Boolean):
        return f"{value}.array and {exact}"
    part = writer.constant(text.fold(spelled))
    if op is Op.CONTAINS:
        return f"({exact} if {value}.array else contains_part({value}.folds, {part}))"
    return f"{'begins' if op is Op.STARTS_WITH else 'ends'}({value}.folds, {part})"


_BRANCHES: Final[dict[Kind, Callable[[tree.Predicate, _Writer], str]]] = {
    Kind.TEXT: _text,
    Kind.CHOICE: _choice,
    Kind.BOOLEAN: _boolean,
    Kind.TAGS: _tags,
    Kind.LISTS: _lists,
    Kind.NUMBER: _number,
    Kind.INSTANT: _instant,
    Kind.ATTRIBUTE: _attribute,
}
