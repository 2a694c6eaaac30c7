"""Compiles conditions to one Python function, which returns the conditions that a contact matches.

Explanations evaluate predicates with it, and the tests hold the index of conditions to it; the rows of
tests/spec hold both and the SQL compiler to the same results. The generated source reads each value of the
contact once. Operands are constants of the function and never part of its text, so no input can become code.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import dates, python_runtime, text, tree
from diglot.conditions.computed.anniversaries import matching_distances
from diglot.conditions.computed.event_windows import lower_predicate
from diglot.conditions.computed_fields import Sample, find_computed, kind_of, source_of
from diglot.conditions.contact_view import ContactView, is_big_integer
from diglot.conditions.events.fields import is_jumps_field
from diglot.conditions.fields import FieldKind, attribute_key
from diglot.conditions.operands import ORDER_OPS
from diglot.conditions.python_runtime import PYTHON_OPERATORS
from diglot.conditions.relative_dates import CALENDAR_OPS, offsets
from diglot.conditions.tree import Op, scalars_of

# Takes a contact and an instant (microseconds), and returns the numbers of the matching conditions.
MatchFunction = Callable[[ContactView, int], list[int]]
_encode = msgspec.json.Encoder().encode
_HELPERS: Final[dict[str, Any]] = {name: getattr(python_runtime, name) for name in python_runtime.__all__}
_TEXT_METHODS: Final = {Op.STARTS_WITH: "startswith", Op.ENDS_WITH: "endswith"}
_TEXTS_HELPERS: Final = {Op.STARTS_WITH: "any_starts_with", Op.ENDS_WITH: "any_ends_with"}


def compile_to_python(conditions: Mapping[int, tree.Node], zone: ZoneInfo) -> MatchFunction:
    """Return the function that evaluates numbered conditions in a time zone."""
    writer = _CodeWriter(zone, _find_shared_predicates(conditions.values()))
    tests = [(number, writer.compile_condition(node)) for number, node in conditions.items()]
    lines = ["def evaluate(s, now):"]
    lines += [f"    r{number} = {expression}" for expression, number in writer.reads.items()]
    lines += [f"    {name} = {test}" for name, test in writer.shared_tests.values()]
    lines += ["    met = []", "    add = met.append"]
    for number, test in tests:
        lines += [f"    if {test}:", f"        add({number})"]
    source = "\n".join([*lines, "    return met"])
    namespace = _HELPERS | {"zone": zone} | writer.constants
    exec(compile(source, "<conditions>", "exec"), namespace)  # noqa: S102 - operands are constants of it
    evaluate: MatchFunction = namespace["evaluate"]
    return evaluate


def _find_shared_predicates(nodes: Iterable[tree.Node]) -> frozenset[bytes]:
    """Return the encoded predicates that occur more than once, which the function evaluates only once."""
    counts = Counter(_encode(predicate) for node in nodes for predicate in tree.predicates_of(node))
    return frozenset(encoded for encoded, times in counts.items() if times > 1)


class _CodeWriter:
    """Writes Python expressions, and collects their reads, which are numbered, and their constants.

    A read is an expression over the contact, the clock and reads with lower numbers.
    """

    def __init__(self, zone: ZoneInfo, shared: frozenset[bytes]) -> None:
        self.zone = zone
        self.shared_predicates = shared
        # The local variable and the expression of each.
        self.shared_tests: dict[bytes, tuple[str, str]] = {}
        self.reads: dict[str, int] = {}
        self.constants: dict[str, Any] = {}

    def add_read(self, expression: str) -> str:
        """Return the local variable that holds an expression over the contact, the clock and other reads."""
        return f"r{self.reads.setdefault(expression, len(self.reads))}"

    def add_constant(self, value: Any) -> str:
        """Add a constant and return its name."""
        self.constants[name := f"k{len(self.constants)}"] = value
        return name

    def read_field(self, name: str) -> str:
        """Return the local variable of a core field or a sample."""
        if isinstance(computed := find_computed(name), Sample):
            return self.add_read(f"sample_of(s.id, {computed.salt!r})")
        return self.add_read(f"s.fields[{name!r}]")

    def number(self, name: str) -> str:
        """Return the variable of a core number or instant; a missing one is NaN, which equals nothing."""
        return self.add_read(f"number_or_nan({self.read_field(name)})")

    def compile_condition(self, node: tree.Node) -> str:
        """Return the expression of a whole condition; a draft matches no contact."""
        return "False" if tree.is_draft(node) else self.compile_node(node)

    def compile_node(self, node: tree.Node) -> str:
        if isinstance(node, tree.Predicate):
            return self.compile_predicate(node)
        if isinstance(node, tree.Not):
            return f"(not {self.compile_node(node.item)})"
        word = " and " if isinstance(node, tree.All) else " or "
        return f"({word.join(self.compile_node(item) for item in node.items)})"

    def compile_predicate(self, predicate: tree.Predicate) -> str:
        """Return the expression of a predicate, or the local variable that holds its result."""
        if (lowered := lower_predicate(predicate)) is not predicate:
            return self.compile_node(lowered)
        encoded = _encode(predicate)
        if encoded not in self.shared_predicates:
            return _compile_field(predicate, self)
        if encoded not in self.shared_tests:
            test = _compile_field(predicate, self)
            self.shared_tests[encoded] = f"p{len(self.shared_tests)}", test
        return self.shared_tests[encoded][0]

    def to_instant(self, operand: tree.Operand) -> int:
        """Return the instant of a date operand in the time zone, in microseconds."""
        assert isinstance(operand, tree.Date)
        return dates.operand_to_instant(operand, self.zone)

    def compare_with_now(self, op: Op, duration: tree.Duration, value: str) -> str:
        """Compare an instant with days or hours from now; NaN, a missing instant, never matches."""
        if op in CALENDAR_OPS:
            begun = self.add_read("day_begun(now, zone)")
            span = self.add_read(f"calendar_bounds({duration.value}, {begun}, zone)")
            return f"({span}[0] <= {value} < {span}[1])"
        from_now = self.add_read(f"{value} - now")
        *low, high = offsets(op, duration)
        return f"({low[0]} <= {from_now} < {high})" if low else f"({from_now} < {high})"


def _compile_field(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    if (source := source_of(predicate.field)) == predicate.field:
        return _COMPILERS[kind_of(predicate.field)](predicate, writer)
    # An anniversary.
    distances = writer.add_constant(matching_distances(predicate.op, predicate.operand))
    month_day, day = writer.add_read(f"s.month_day({source!r})"), writer.add_read("today(now, zone)")
    matching = writer.add_read(f"matching_month_days({distances}, {day})")
    return f"({month_day} is not None and {matching} >> {month_day} & 1 == 1)"


def _texts_of(operand: tree.Operand) -> frozenset[str]:
    return frozenset(scalar.value for scalar in scalars_of(operand) if isinstance(scalar, tree.Text))


def _compile_text(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    op = predicate.op
    if op in (Op.IS_SET, Op.EQUALS, Op.IN):
        value = writer.add_read(f"s.field_text({predicate.field!r})")
        if op is Op.IS_SET:
            return f"({value} is not None and not is_blank({value}))"
        return f"({value} in {writer.add_constant(_texts_of(predicate.operand))})"
    folded = writer.add_read(f"s.folded_text({predicate.field!r})")
    (value_text,) = _texts_of(predicate.operand)
    part = writer.add_constant(text.fold_case(value_text))
    if op is Op.CONTAINS:
        return f"({folded} is not None and {part} in {folded})"
    return f"({folded} is not None and {folded}.{_TEXT_METHODS[op]}({part}))"


def _compile_choice(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    if predicate.op is Op.IS_SET:
        return "True"
    return f"({writer.read_field('status')} in {writer.add_constant(_texts_of(predicate.operand))})"


def _compile_boolean(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    if predicate.op is Op.IS_SET:
        return "True"
    values = {scalar.value for scalar in scalars_of(predicate.operand) if isinstance(scalar, tree.Boolean)}
    subscribed = f"({writer.read_field('status')} == 'subscribed')"
    return f"({subscribed} in {writer.add_constant(frozenset(values))})"


def _contains_any(values: frozenset[str], collection: str, writer: _CodeWriter) -> str:
    """Return the test whether a set or tuple contains any of the values."""
    if len(values) == 1:
        return f"({writer.add_constant(*values)} in {collection})"
    return f"(not {writer.add_constant(values)}.isdisjoint({collection}))"


def _compile_tags(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    op = predicate.op
    if op is Op.IS_SET:
        return f"(len({writer.add_read('s.exact_tags()')}) > 0)"
    values = _texts_of(predicate.operand)
    if op in (Op.EQUALS, Op.CONTAINS, Op.IN):
        return _contains_any(values, writer.add_read("s.exact_tags()"), writer)
    (value_text,) = values
    part = writer.add_constant(text.fold_case(value_text))
    return f"{_TEXTS_HELPERS[op]}({writer.add_read('s.folded_tags()')}, {part})"


def _compile_ids(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    ids = writer.add_read("s.lists") if predicate.field == "lists" else writer.read_field(predicate.field)
    if predicate.op is Op.IS_SET:
        return f"(len({ids}) > 0)"
    # Ids have one length, so starts-with and ends-with match only an equal id.
    return f"(not {writer.add_constant(_texts_of(predicate.operand))}.isdisjoint({ids}))"


def _compile_number(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    value = writer.read_field(predicate.field)
    if predicate.op is Op.IS_SET:
        return f"({value} is not None)"
    numbers = [scalar.value for scalar in scalars_of(predicate.operand) if isinstance(scalar, tree.Number)]
    if predicate.op is Op.IN:
        number_set = writer.add_constant(python_runtime.NumberSet(numbers))
        return f"({value} is not None and is_one_of({value}, {number_set}))"
    (number,) = numbers
    limit = writer.add_constant(float(number))
    return f"({writer.number(predicate.field)} {PYTHON_OPERATORS[predicate.op]} {limit})"


def _compile_instant(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    value = writer.read_field(predicate.field)
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return f"({value} is not None)"
    if isinstance(operand, tree.Window) and is_jumps_field(predicate.field):
        return f"is_odd_since({value}, now - {operand.value})"
    if isinstance(operand, tree.Duration):
        return writer.compare_with_now(op, operand, writer.number(predicate.field))
    if op in (Op.EQUALS, Op.IN):
        spans = writer.add_constant(python_runtime.span_set_of(operand, writer.zone))
        return f"({value} is not None and in_any_span({value}, {spans}))"
    limit = writer.add_constant(writer.to_instant(operand))
    return f"({writer.number(predicate.field)} {PYTHON_OPERATORS[op]} {limit})"


def _compile_attribute(predicate: tree.Predicate, writer: _CodeWriter) -> str:
    key = attribute_key(predicate.field)
    # A key has no quote and no control character, so its literal needs no escapes.
    value = writer.add_read(f"s.view_attribute({key!r})")
    op, operand = predicate.op, predicate.operand
    if isinstance(operand, tree.Duration):
        return writer.compare_with_now(op, operand, writer.add_read(f"instant_of({value})"))
    if isinstance(operand, tree.Date) and op is not Op.EQUALS:
        instant = writer.add_read(f"instant_of({value})")
        return f"({instant} {PYTHON_OPERATORS[op]} {writer.add_constant(writer.to_instant(operand))})"
    if op in ORDER_OPS and isinstance(operand, tree.Number) and not is_big_integer(operand.value):
        # Two numbers compare as doubles, unless both are big integers (semantics 12).
        double, limit = writer.add_read(f"to_double({value})"), writer.add_constant(float(operand.value))
        return f"({double} {PYTHON_OPERATORS[op]} {limit})"
    return f"({value} is not None and {_compile_attribute_test(predicate, value, writer)})"


def _compile_attribute_test(predicate: tree.Predicate, value: str, writer: _CodeWriter) -> str:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return f"{value}.is_set"
    scalars = scalars_of(operand)
    if op in (Op.EQUALS, Op.IN):
        return _compile_attribute_in(scalars, value, writer)
    (scalar,) = scalars
    if op in (Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH):
        return _compile_attribute_substring(op, scalar, value, writer)
    assert isinstance(scalar, tree.Number)
    operator = writer.add_constant(python_runtime.COMPARISONS[PYTHON_OPERATORS[op]])
    return f"compare_attribute({value}, {operator}, {writer.add_constant(scalar.value)})"


def _compile_attribute_in(scalars: tuple[tree.Scalar, ...], value: str, writer: _CodeWriter) -> str:
    texts = frozenset(
        text.scalar_to_text(scalar.value)
        for scalar in scalars
        if isinstance(scalar, tree.Text | tree.Boolean)
    )
    numbers = [scalar.value for scalar in scalars if isinstance(scalar, tree.Number)]
    tests = [_contains_any(texts, writer.add_read(f"texts_of({value})"), writer)] if texts else []
    if numbers:
        number_set = writer.add_constant(python_runtime.NumberSet(numbers))
        tests.append(f"any_is_one_of({value}.numbers, {number_set})")
    return f"({' or '.join(tests)})" if tests else "False"


def _compile_attribute_substring(op: Op, scalar: tree.Scalar, value: str, writer: _CodeWriter) -> str:
    if isinstance(scalar, tree.Number):
        return f"{value}.is_array and any_equals({value}.numbers, {writer.add_constant(scalar.value)})"
    assert isinstance(scalar, tree.Text | tree.Boolean)
    value_text = text.scalar_to_text(scalar.value)
    exact = f"{writer.add_constant(value_text)} in {value}.texts"
    if isinstance(scalar, tree.Boolean):
        return f"{value}.is_array and {exact}"
    part = writer.add_constant(text.fold_case(value_text))
    if op is Op.CONTAINS:
        return f"({exact} if {value}.is_array else contains_part({value}.folded_texts, {part}))"
    return f"{_TEXTS_HELPERS[op]}({value}.folded_texts, {part})"


_COMPILERS: Final[dict[FieldKind, Callable[[tree.Predicate, _CodeWriter], str]]] = {
    FieldKind.TEXT: _compile_text,
    FieldKind.CHOICE: _compile_choice,
    FieldKind.BOOLEAN: _compile_boolean,
    FieldKind.TAGS: _compile_tags,
    FieldKind.LISTS: _compile_ids,
    FieldKind.NUMBER: _compile_number,
    FieldKind.INSTANT: _compile_instant,
    FieldKind.ATTRIBUTE: _compile_attribute,
    FieldKind.SEGMENTS: _compile_ids,
}
