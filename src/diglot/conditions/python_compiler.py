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
from diglot.conditions.contact_view import ContactView, is_big_integer
from diglot.conditions.fields import FieldKind, attribute_key, kind_of
from diglot.conditions.operands import ORDER_OPS
from diglot.conditions.relative_dates import CALENDAR_OPS, offsets
from diglot.conditions.tree import Op

# The numbers of the conditions that a contact meets at an instant in microseconds.
MatchFunction = Callable[[ContactView, int], list[int]]
_HELPERS: Final[dict[str, Any]] = {name: getattr(python_runtime, name) for name in python_runtime.__all__}
_encode = msgspec.json.Encoder().encode
_PYTHON_OPERATORS: Final = {
    **dict.fromkeys((Op.GT, Op.AFTER), ">"),
    **dict.fromkeys((Op.LT, Op.BEFORE), "<"),
    Op.GTE: ">=",
    Op.LTE: "<=",
    Op.EQUALS: "==",
}


def compile_to_python(conditions: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchFunction:
    """Return the function that tells which conditions, by number, a contact meets in a time zone."""
    writer = _CodeWriter(zone, _find_shared_predicates(conditions.values()))
    tests = [(number, writer.compile_condition(node)) for number, node in conditions.items()]
    lines = ["def evaluate(s, now):", *(f"    {name} = {read}" for read, name in writer.reads.items())]
    lines += [f"    {name} = {test}" for name, test in writer.shared_tests.values()]
    lines += ["    met = []", "    add = met.append"]
    for number, test in tests:
        lines += [f"    if {test}:", f"        add({number})"]
    source = "\n".join([*lines, "    return met"])
    namespace = _HELPERS | writer.constants
    exec(compile(source, "<conditions>", "exec"), namespace)  # noqa: S102 - operands are constants of it
    evaluate: MatchFunction = namespace["evaluate"]
    return evaluate


def _find_shared_predicates(nodes: Iterable[tree.Node]) -> frozenset[bytes]:
    """Return the predicates, encoded, that stand in the conditions more than once: asked once for all."""
    counts = Counter(_encode(predicate) for node in nodes for predicate in tree.predicates_of(node))
    return frozenset(encoded for encoded, times in counts.items() if times > 1)


class _CodeWriter:
    """Writes expressions, and collects what they read and their constants."""

    def __init__(self, zone: ZoneInfo, shared: frozenset[bytes]) -> None:
        self.zone = zone
        self.shared_predicates = shared
        # The local variable and the expression of each shared predicate.
        self.shared_tests: dict[bytes, tuple[str, str]] = {}
        self.reads: dict[str, str] = {}
        self.constants: dict[str, Any] = {"zone": zone}

    def add_read(self, expression: str) -> str:
        """Return the local variable that holds what an expression reads of the contact or the clock."""
        return self.reads.setdefault(expression, f"r{len(self.reads)}")

    def add_constant(self, value: Any) -> str:
        """Return the name of a constant."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def read_field(self, name: str) -> str:
        """Return the local variable of a plain field."""
        return self.add_read(f"s.fields[{name!r}]")

    def number(self, name: str) -> str:
        """Return the local variable of a plain number or instant, NaN where the contact has none.

        Every comparison with NaN is false, as every predicate on a missing value is, without a test for None.
        """
        return self.add_read(f"number_or_nan({self.read_field(name)})")

    def compile_condition(self, node: tree.Node) -> str:
        """Return the expression of a whole condition; a draft is false for everybody."""
        return "False" if tree.is_draft(node) else self.compile_node(node)

    def compile_node(self, node: tree.Node) -> str:
        if isinstance(node, tree.Predicate):
            return self.compile_predicate(node)
        if isinstance(node, tree.Not):
            return f"(not {self.compile_node(node.item)})"
        word = " and " if isinstance(node, tree.All) else " or "
        return f"({word.join(self.compile_node(item) for item in node.items)})"

    def compile_predicate(self, predicate: tree.Predicate) -> str:
        """Return the expression of a predicate, or the local variable that holds what it says."""
        encoded = _encode(predicate)
        if encoded not in self.shared_predicates:
            return _COMPILERS[kind_of(predicate.field)](predicate, self)
        if encoded not in self.shared_tests:
            test = _COMPILERS[kind_of(predicate.field)](predicate, self)
            self.shared_tests[encoded] = f"p{len(self.shared_tests)}", test
        return self.shared_tests[encoded][0]

    def to_instant(self, moment: tree.Operand) -> int:
        """Return the instant that a date or an instant stands for."""
        if isinstance(moment, tree.Instant):
            return moment.value
        assert isinstance(moment, tree.Day)
        return dates.start_of_day(date.fromisoformat(moment.value), self.zone)

    def compare_days(self, op: Op, days: int, value: str) -> str:
        """Compare an instant with days before now; NaN, which stands for a missing instant, is in none."""
        if op in CALENDAR_OPS:
            begun = self.add_read("day_begun(now, zone)")
            span = self.add_read(f"calendar_bounds({days}, {begun}, zone)")
            return f"({span}[0] <= {value} < {span}[1])"
        distance = self.add_read(f"{value} - now")
        *low, high = offsets(op, days)
        return f"({low[0]} <= {distance} < {high})" if low else f"({distance} < {high})"


def _scalars_of(operand: tree.Operand) -> tuple[tree.Scalar, ...]:
    if isinstance(operand, tree.Values):
        return operand.values
    assert operand is not None
    assert not isinstance(operand, tree.Days)
    return (operand,)


def _texts_of(operand: tree.Operand) -> frozenset[str]:
    return frozenset(one.value for one in _scalars_of(operand) if isinstance(one, tree.Text))


def _compile_text(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    op = predicate.op
    if op in (Op.IS_SET, Op.EQUALS, Op.IN):
        value = writer.add_read(f"s.text({predicate.field!r})")
        if op is Op.IS_SET:
            return f"({value} is not None and not is_blank({value}))"
        return f"({value} in {writer.add_constant(_texts_of(predicate.operand))})"
    folded = writer.add_read(f"s.fold({predicate.field!r})")
    (written,) = _texts_of(predicate.operand)
    part = writer.add_constant(text.fold_case(written))
    if op is Op.CONTAINS:
        return f"({folded} is not None and {part} in {folded})"
    method = "startswith" if op is Op.STARTS_WITH else "endswith"
    return f"({folded} is not None and {folded}.{method}({part}))"


def _compile_choice(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    if predicate.op is Op.IS_SET:
        return "True"
    return f"({writer.read_field('status')} in {writer.add_constant(_texts_of(predicate.operand))})"


def _compile_boolean(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    if predicate.op is Op.IS_SET:
        return "True"
    wanted = {one.value for one in _scalars_of(predicate.operand) if isinstance(one, tree.Boolean)}
    subscribed = f"({writer.read_field('status')} == 'subscribed')"
    return f"({subscribed} in {writer.add_constant(frozenset(wanted))})"


def _contains_any(values: frozenset[str], held: str, writer: _CodeWriter) -> str:
    """Tell whether a set or a tuple holds any of the values."""
    if len(values) == 1:
        return f"({writer.add_constant(*values)} in {held})"
    return f"(not {writer.add_constant(values)}.isdisjoint({held}))"


def _compile_tags(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    op = predicate.op
    if op is Op.IS_SET:
        return f"(len({writer.add_read('s.tags()')}) > 0)"
    values = _texts_of(predicate.operand)
    if op in (Op.EQUALS, Op.CONTAINS, Op.IN):
        return _contains_any(values, writer.add_read("s.tags()"), writer)
    (written,) = values
    helper = "begins" if op is Op.STARTS_WITH else "ends"
    return f"{helper}({writer.add_read('s.tag_folds()')}, {writer.add_constant(text.fold_case(written))})"


def _compile_lists(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    lists = writer.add_read("s.lists")
    if predicate.op is Op.IS_SET:
        return f"(len({lists}) > 0)"
    # Of two whole ids one starts or ends with the other only when they are equal.
    return f"(not {writer.add_constant(_texts_of(predicate.operand))}.isdisjoint({lists}))"


def _compile_number(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    value = writer.read_field(predicate.field)
    if predicate.op is Op.IS_SET:
        return f"({value} is not None)"
    numbers = [one.value for one in _scalars_of(predicate.operand) if isinstance(one, tree.Number)]
    if predicate.op is Op.IN:
        wanted = writer.add_constant(python_runtime.NumberSet(numbers))
        return f"({value} is not None and among({value}, {wanted}))"
    (number,) = numbers
    limit = writer.add_constant(float(number))
    return f"({writer.number(predicate.field)} {_PYTHON_OPERATORS[predicate.op]} {limit})"


def _compile_instant(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    value = writer.read_field(predicate.field)
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return f"({value} is not None)"
    if isinstance(operand, tree.Days):
        return writer.compare_days(op, operand.value, writer.number(predicate.field))
    if op in (Op.EQUALS, Op.IN):
        spans = writer.add_constant(_span_set_of(_scalars_of(operand), writer.zone))
        return f"({value} is not None and within({value}, {spans}))"
    limit = writer.add_constant(writer.to_instant(operand))
    return f"({writer.number(predicate.field)} {_PYTHON_OPERATORS[op]} {limit})"


def _span_set_of(moments: tuple[tree.Scalar, ...], zone: ZoneInfo) -> python_runtime.SpanSet:
    days = [date.fromisoformat(one.value) for one in moments if isinstance(one, tree.Day)]
    instants = [one.value for one in moments if isinstance(one, tree.Instant)]
    spans = [dates.day_span(day, zone) for day in days]
    return python_runtime.SpanSet([*spans, *((instant, instant + 1) for instant in instants)])


def _compile_attribute(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    key = attribute_key(predicate.field)
    # A key has no quote and no control character, so that its literal is what it is.
    value = writer.add_read(f"s.attribute({key!r})")
    op, operand = predicate.op, predicate.operand
    if isinstance(operand, tree.Days):
        return writer.compare_days(op, operand.value, writer.add_read(f"instant_of({value})"))
    if isinstance(operand, tree.Day | tree.Instant) and op is not Op.EQUALS:
        instant = writer.add_read(f"instant_of({value})")
        return f"({instant} {_PYTHON_OPERATORS[op]} {writer.add_constant(writer.to_instant(operand))})"
    if op in ORDER_OPS and isinstance(operand, tree.Number) and not is_big_integer(operand.value):
        # Unless both are big integers they compare as doubles (semantics 12).
        double = writer.add_read(f"double_of({value})")
        limit = writer.add_constant(float(operand.value))
        return f"({double} {_PYTHON_OPERATORS[op]} {limit})"
    return f"({value} is not None and {_compile_attribute_test(predicate, value, writer)})"


def _compile_attribute_test(predicate: tree.Predicate, value: str, writer: _CodeWriter) -> str:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return f"{value}.is_set"
    scalars = _scalars_of(operand)
    if op in (Op.EQUALS, Op.IN):
        return _compile_attribute_in(scalars, value, writer)
    (scalar,) = scalars
    if op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
        return _compile_attribute_substring(op, scalar, value, writer)
    assert isinstance(scalar, tree.Number)
    operator = writer.add_constant(python_runtime.COMPARISONS[_PYTHON_OPERATORS[op]])
    return f"ordered({value}, {operator}, {writer.add_constant(scalar.value)})"


def _compile_attribute_in(scalars: tuple[tree.Scalar, ...], value: str, writer: _CodeWriter) -> str:
    spelled = frozenset(
        text.scalar_to_text(one.value) for one in scalars if isinstance(one, tree.Text | tree.Boolean)
    )
    numbers = [one.value for one in scalars if isinstance(one, tree.Number)]
    tests = [_contains_any(spelled, writer.add_read(f"spelled_of({value})"), writer)] if spelled else []
    if numbers:
        tests.append(f"equal_any({value}.numbers, {writer.add_constant(python_runtime.NumberSet(numbers))})")
    return f"({' or '.join(tests)})" if tests else "False"


def _compile_attribute_substring(op: Op, scalar: tree.Scalar, value: str, writer: _CodeWriter) -> str:
    if isinstance(scalar, tree.Number):
        return f"{value}.array and equal({value}.numbers, {writer.add_constant(scalar.value)})"
    assert isinstance(scalar, tree.Text | tree.Boolean)
    spelled = text.scalar_to_text(scalar.value)
    exact = f"{writer.add_constant(spelled)} in {value}.spelled"
    if isinstance(scalar, tree.Boolean):
        return f"{value}.array and {exact}"
    part = writer.add_constant(text.fold_case(spelled))
    if op is Op.CONTAINS:
        return f"({exact} if {value}.array else contains_part({value}.folds, {part}))"
    return f"{'begins' if op is Op.STARTS_WITH else 'ends'}({value}.folds, {part})"


_COMPILERS: Final[dict[FieldKind, Callable[[tree.Predicate, _CodeWriter], str]]] = {
    FieldKind.TEXT: _compile_text,
    FieldKind.CHOICE: _compile_choice,
    FieldKind.BOOLEAN: _compile_boolean,
    FieldKind.TAGS: _compile_tags,
    FieldKind.LISTS: _compile_lists,
    FieldKind.NUMBER: _compile_number,
    FieldKind.INSTANT: _compile_instant,
    FieldKind.ATTRIBUTE: _compile_attribute,
}
