"""Selects the contacts that match a predicate on single events, by one pass over the events of its name.

The events that match the rules of the predicate are added up for each contact. A contact with an event of
which SQL does not know whether it counts, or how much (see `event_rules`), is selected as one that the
application has to look at.
"""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil, floor
from typing import Any, Final

from sqlalchemy import Select, Subquery, bindparam, case, func, literal_column, not_, or_, select

from diglot.conditions import tree
from diglot.conditions.events.fields import EventField, parse_event_field
from diglot.conditions.events.states import MACHINE
from diglot.conditions.events.sum_tests import SumTest, read_test
from diglot.storage.predicates import event_rules
from diglot.storage.predicates.binder import INTEGER, Binder, bind_integer, one_of
from diglot.storage.predicates.events import number_of_name
from diglot.storage.predicates.kept_events import IS_KEPT
from diglot.storage.predicates.sql_compiler import compare_instant, compare_number
from diglot.storage.schema import events
from diglot.storage.sql.backend import ONE, TRUE, ZERO, Expression
from diglot.storage.sql.databases import pin_to_index

_e: Final = events.c
# Of an event that may count, and of one whose amount is read. PostgreSQL plans memory for all columns of a
# subquery, also for those that nobody reads: with the body it divided 60,000 groups into files.
_EVENT: Final = (_e.pk, _e.happened_at.label("instant"))
_PROPERTIES: Final = (_e.kind, _e.body)
_MAX_INTEGER: Final = 2**63 - 1
# The indexes of the pass: in the order of contacts, or in that of arrival, which reads all events.
_BY_CONTACT: Final = "events_of_stream"
_BY_ARRIVAL: Final = 1


def can_select(field: EventField) -> bool:
    """Tell whether SQL can read what a field of single events depends on."""
    if not field.needs_history:
        # A total that is kept longer than events.
        return False
    keys = {*_keys_of_rules(field), *([field.summed] if field.summed else [])}
    # What machines caused has no number, and is not in the index of the name.
    return MACHINE not in _keys_of_rules(field) and all(map(event_rules.can_read, keys))


def _keys_of_rules(field: EventField) -> Sequence[str]:
    return event_rules.keys_of(tree.decode(field.where)) if field.where else ()


def select_matching(
    predicate: tree.Predicate, binder: Binder, *, holds_without: bool, by_arrival: bool
) -> Select[Any]:
    """Return the select of the contacts that differ from one without events, and of those to look at.

    `holds_without` tells whether the predicate is true of a contact without events. A selected number is
    twice the key of a contact, and one more if the application has to look at it.
    """
    field = parse_event_field(predicate.field)
    binder.shape.append(f"{field.part} {field.summed!r} {holds_without} {by_arrival}")
    binder.shape.append(f"{predicate.op} {type(predicate.operand).__name__}")
    judged = _judge_events(field, predicate.operand, binder, by_arrival=by_arrival)
    counts, amount, pk = judged.c.counts, judged.c.amount, judged.c.pk
    is_unknown = case((or_(counts.is_(None), amount.is_(None)), ONE), else_=ZERO)
    unknown = func.sum(is_unknown) > ZERO
    matches = _compare_total(field, predicate, judged, binder)
    code = pk * literal_column("2") + case((unknown, ONE), else_=ZERO)
    differing = select(code.label("code")).group_by(pk)
    found = differing.having(or_(unknown, not_(matches) if holds_without else matches)).subquery("found")
    return binder.backend.select_keys(select(found.c.code), found.c.code)


def _judge_events(field: EventField, operand: tree.Operand, binder: Binder, *, by_arrival: bool) -> Subquery:
    """Return the events of a name that may count: contact, instant, whether the event counts, and its amount.

    The offsets stop the databases from spelling a property once for each use of it.
    """
    index = _BY_ARRIVAL if by_arrival else _BY_CONTACT
    columns = (*_EVENT, *_PROPERTIES) if field.summed else _EVENT
    chosen = pin_to_index(select(*columns), events, index).where(
        _e.workspace == bindparam("workspace"),
        _e.stream == number_of_name(binder.bind_text(field.name)),
        IS_KEPT,
        *_within(field, operand, binder),
    )
    rows = _match_rules(field, chosen, binder)
    if not field.summed:
        return rows.add_columns(ZERO.label("amount")).offset(ZERO).subquery("judged")
    matched = rows.offset(ZERO).subquery("matched").c
    spelled = event_rules.spell_property(field.summed, matched, binder).label("spelled")
    valued = select(matched.pk, matched.instant, matched.counts, spelled).offset(ZERO).subquery("valued").c
    amount = event_rules.read_amount(valued.spelled, binder).label("amount")
    judged = select(valued.pk, valued.instant, valued.counts, amount)
    return judged.offset(ZERO).subquery("judged")


def _match_rules(field: EventField, chosen: Select[Any], binder: Binder) -> Select[Any]:
    """Return those of some events that may match the rules of a field, and whether they do."""
    if not field.where:
        return chosen.add_columns(TRUE.label("counts"))
    keys = _keys_of_rules(field)
    columns = {key: f"value_{number}" for number, key in enumerate(keys)}
    spelled = (event_rules.spell_property(key, _e, binder).label(name) for key, name in columns.items())
    of_event = chosen.selected_columns.keys()
    told = chosen.add_columns(*spelled).offset(ZERO).subquery("told").c
    where = tree.decode(field.where)
    counts = event_rules.compile_rules(where, lambda key: told[columns[key]], binder).label("counts")
    judged = select(*(told[name] for name in of_event), counts).offset(ZERO).subquery("ruled").c
    return select(*judged).where(judged.counts.is_not(event_rules.FALSE))


def _within(field: EventField, operand: tree.Operand, binder: Binder) -> list[Expression]:
    """Return the bounds of the instants of events that the predicate depends on."""
    if not isinstance(operand, tree.Window):
        return []
    binder.shape.append("window")
    since = _e.happened_at >= bind_integer(binder.now - operand.value, binder)
    # All amounts since the begin are added up (see `histories/sums`).
    is_sum = field.part == "jumps"
    if is_sum:
        return [since]
    # If a subquery computes a bound (`IS_KEPT`), PostgreSQL expects a two-hundredth of the events between two
    # bounds, and looks up each event by the index in place of reading pages in order. It does not see a bound
    # in IS TRUE: 250,000 of 500,000 events take 410 ms of CPU in place of 560.
    return [since, (_e.happened_at <= bind_integer(binder.now, binder)).is_(TRUE)]


def _compare_total(
    field: EventField, predicate: tree.Predicate, judged: Subquery, binder: Binder
) -> Expression:
    """Return whether the events of a contact, all of which count, match the predicate."""
    if field.part == "count":
        return compare_number(func.count(), predicate, binder)
    if field.part == "newest":
        return func.count() >= binder.bind(field.place, INTEGER)
    if field.part == "first_at":
        return compare_instant(func.min(judged.c.instant), predicate, binder)
    if field.part == "last_at":
        return compare_instant(func.max(judged.c.instant), predicate, binder)
    test = read_test(field.test)
    meets = _compare_sum(func.sum(judged.c.amount), test, binder)
    is_complement = field.part == "jumps" and test.meets(Decimal(0))
    binder.shape.append(str(is_complement))
    return not_(meets) if is_complement else meets


def _compare_sum(total: Expression, test: SumTest, binder: Binder) -> Expression:
    """Return whether a sum of scaled amounts meets a test."""
    scaled = [limit * event_rules.SCALE for limit in test.numbers]
    binder.shape.append(test.word)
    if test.word == "in":
        whole = [int(limit) for limit in scaled if limit == int(limit) and abs(limit) <= _MAX_INTEGER]
        return one_of(total, whole, INTEGER, binder)
    (limit,) = scaled
    if test.word == "gt":
        return total > _bind_limit(floor(limit), binder)
    return total >= _bind_limit(ceil(limit), binder)


def _bind_limit(limit: int, binder: Binder) -> Expression:
    return bind_integer(max(-_MAX_INTEGER, min(limit, _MAX_INTEGER)), binder)
