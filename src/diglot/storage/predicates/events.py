"""Compiles computed fields of events to SQL, and selects the instants that contacts have in them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, ScalarSelect, Select, bindparam, func, not_, select
from sqlalchemy import cast as cast_to

from diglot.conditions import tree
from diglot.conditions.events.fields import EventField, parse_event_field
from diglot.conditions.python_runtime import COMPARISONS, PYTHON_OPERATORS
from diglot.conditions.tree import Op, scalars_of
from diglot.storage.predicates.binder import INTEGER, Asked, Binder, bind_integer
from diglot.storage.predicates.kept_events import IS_KEPT
from diglot.storage.schema import contacts, event_names, event_states, events
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.databases import pin_to_index

# Returns whether the value of the field of a predicate matches it.
Compare = Callable[[Expression, tree.Predicate, Binder], Expression]
_c, _e, _n, _s = contacts.c, events.c, event_names.c, event_states.c


def number_of_name(name: Expression) -> ScalarSelect[Any]:
    """Return the number of the name of events, NULL if no contact has had one."""
    named = select(_n.number).where(_n.workspace == bindparam("workspace"), _n.name == name)
    return named.scalar_subquery()


def compile_total(predicate: tree.Predicate, binder: Binder, compare: Compare) -> Expression:
    """Return whether a total of a contact's events of a name matches a predicate.

    All contacts that match are found first, by one pass over the states of contacts, because a look for each
    contact costs more; a page needs fewer looks. A contact without such events has the count 0, and no
    instant.
    """
    parsed = parse_event_field(predicate.field)
    of_name = select(_s.pk).where(
        _s.workspace == bindparam("workspace"), _s.stream == number_of_name(binder.bind_text(parsed.name))
    )
    matches, looks_up = compare(_s[parsed.part], predicate, binder), binder.asked is not Asked.ALL
    if parsed.part != "count" or not _holds_at_zero(predicate):
        return binder.is_among(_c.pk, of_name.where(matches), looks_up=looks_up)
    binder.shape.append("or no event")
    return not_(binder.is_among(_c.pk, of_name.where(not_(matches)), looks_up=looks_up))


def _holds_at_zero(predicate: tree.Predicate) -> bool:
    """Tell whether a predicate is true of the count of a contact that has no such events."""
    if predicate.op is Op.IS_SET:
        return True
    meets = COMPARISONS[PYTHON_OPERATORS[Op.EQUALS if predicate.op is Op.IN else predicate.op]]
    return any(meets(0, one.value) for one in scalars_of(predicate.operand) if isinstance(one, tree.Number))


def compile_newest(predicate: tree.Predicate, binder: Binder) -> Expression:
    """Return whether the newest events of a contact, as many as the field says, lie in a window.

    All contacts that match are found first, by one pass over the events of the name in the order of their
    contacts, because a look for each contact costs more.
    """
    parsed, operand = parse_event_field(predicate.field), predicate.operand
    assert isinstance(operand, tree.Window)
    in_window = _e.happened_at.between(
        bind_integer(binder.now - operand.value, binder), bind_integer(binder.now, binder)
    )
    found = pin_to_index(select(_e.pk), events, "events_of_stream").where(
        _e.workspace == bindparam("workspace"),
        _e.stream == number_of_name(binder.bind_text(parsed.name)),
        in_window,
        IS_KEPT,
    )
    enough = func.count() >= binder.bind(parsed.place, INTEGER)
    of_name = found.group_by(_e.pk).having(enough)
    return binder.is_among(_c.pk, of_name, looks_up=binder.asked is Asked.ONE)


def select_instants(field: EventField) -> Select[Any]:
    """Return the select of the keys of contacts, and of the instants that they have in a field.

    The name and the place of the field are bound as `name` and `place`.
    """
    name = cast_to(bindparam("name"), _n.name.type)
    if field.part != "newest":
        of_name = (_s.workspace == bindparam("workspace")) & (_s.stream == number_of_name(name))
        return select(_s.pk, _s[field.part].label("instant")).where(of_name)
    place = func.row_number().over(partition_by=_e.pk, order_by=_e.happened_at.desc()).label("place")
    counted = pin_to_index(
        select(_e.pk, _e.happened_at.label("instant"), place), events, "events_of_stream"
    ).where(_e.workspace == bindparam("workspace"), _e.stream == number_of_name(name), IS_KEPT)
    numbered = counted.subquery("numbered")
    wanted = cast_to(bindparam("place"), BigInteger())
    return select(numbered.c.pk, numbered.c.instant).where(numbered.c.place == wanted)
