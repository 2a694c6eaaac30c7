"""Rules of the form as a vendor writes them, and a condition as rules of the form.

A rule is shown in inputs only if these inputs are written as exactly that rule; any other is shown as JSON.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from diglot.api.rules.words import FIELD, OPERATOR, RULES, VALUE, WHERE, Words
from diglot.api.rules.writing import as_group, write_rule
from diglot.conditions import tree
from diglot.conditions.fields import attribute_key
from diglot.console.builder.fields import PROPERTY, choose_field, find_field_fault, spell_field
from diglot.console.builder.nodes import (
    ROOT,
    ChosenField,
    GroupForm,
    NodeForm,
    RawForm,
    RuleForm,
    child_id,
    where_id,
)
from diglot.console.builder.operands import (
    CHOSEN_TYPES,
    find_type,
    find_value_fault,
    is_list,
    list_types,
    write_value,
)

_encode: Final = msgspec.json.Encoder().encode
_NOT_JSON: Final = "This is not valid JSON"


def write_group(group: GroupForm, words: Words, faults: dict[str, str], id_: str = ROOT) -> dict[str, Any]:
    """Return a group as a vendor writes it; `faults` gets what cannot be written, by the id of the part."""
    mode = next((word for word, meaning in words.modes.items() if meaning == group.mode), group.mode)
    items = [_write_node(item, words, faults, child_id(id_, index)) for index, item in enumerate(group.items)]
    return {words.group_key: mode, RULES: items}


def _write_node(node: NodeForm, words: Words, faults: dict[str, str], id_: str) -> Any:
    if isinstance(node, GroupForm):
        return write_group(node, words, faults, id_)
    if isinstance(node, RawForm):
        return _write_raw(node, faults, id_)
    if (fault := find_field_fault(node.field) or _find_value_fault(node)) is not None:
        faults[id_] = fault
    vendor_words = {**words.own_operators, **words.borrowed_operators}
    written: dict[str, Any] = {
        FIELD: spell_field(node.field, words.attribute_prefix),
        OPERATOR: vendor_words.get(node.operator, node.operator),
    }
    value = _write_values(node, words)
    if value is not UNSET:
        written[VALUE] = value
    if node.where is not None:
        written[WHERE] = write_group(node.where, words, faults, where_id(id_))
    return written


def _write_raw(node: RawForm, faults: dict[str, str], id_: str) -> msgspec.Raw | str:
    try:
        msgspec.json.decode(node.text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        faults[id_] = _NOT_JSON
        return node.text
    return msgspec.Raw(node.text.encode())


def _find_type(node: RuleForm) -> str | None:
    """Return the type of the values of a rule; None if it has no operator, or one that takes no value."""
    types = list_types(node.field, node.operator) if node.operator in tree.OPERATOR_WORDS else ()
    return node.type if node.type in types else next(iter(types), None)


def _find_value_fault(node: RuleForm) -> str | None:
    if not node.operator:
        return "Choose a comparison"
    type_ = _find_type(node)
    if type_ is None:
        return None
    faults = ((find_value_fault(type_, text), index) for index, text in enumerate(node.values, 1))
    told = next(((fault, index) for fault, index in faults if fault is not None), None)
    if told is None:
        return None
    return f"Value {told[1]}: {told[0]}" if is_list(node.operator) else told[0]


def _write_values(node: RuleForm, words: Words) -> Any:
    type_ = _find_type(node)
    if type_ is None:
        return UNSET
    values = [one for text in node.values if (one := write_value(type_, text, words)) is not UNSET]
    if not values:
        return UNSET
    return values if is_list(node.operator) or len(values) > 1 else values[0]


def show_nodes(node: tree.Node, words: Words) -> GroupForm:
    """Return a condition as rules of the form."""
    group = as_group(node)
    return GroupForm(_mode_of(group), tuple(_show_node(item, words) for item in group.items))


def _mode_of(group: tree.All | tree.Any) -> str:
    return "all" if isinstance(group, tree.All) else "any"


def _show_node(node: tree.Node, words: Words) -> NodeForm:
    if isinstance(node, tree.All | tree.Any):
        return show_nodes(node, words)
    assert isinstance(node, tree.Predicate | tree.Not), "no dialect writes a negated group"
    written = write_rule(node, words)
    shown, faults = _show_rule(node, written, words, is_about_events=False), dict[str, str]()
    if shown is None or _encode(_write_node(shown, words, faults, ROOT)) != _encode(written) or faults:
        return RawForm(msgspec.json.format(_encode(written), indent=2).decode())
    return shown


def _show_rule(
    node: tree.Node, written: Mapping[str, Any], words: Words, *, is_about_events: bool
) -> RuleForm | None:
    """Return a rule in inputs; None if they cannot hold it."""
    is_negated = isinstance(node, tree.Not)
    predicate = node.item if isinstance(node, tree.Not) else node
    assert isinstance(predicate, tree.Predicate)
    word = tree.NEGATIVE_WORD_OF[predicate.op] if is_negated else str(predicate.op)
    field = _choose(predicate.field, is_about_events=is_about_events)
    where = None
    if predicate.where is not UNSET:
        where = _show_where(predicate.where, written[WHERE], words)
        if where is None:
            return None
    found = _show_values(field, word, written, words)
    if found is None or _has_line_end(field):
        return None
    return RuleForm(field, word, *found, where)


def _choose(name: str, *, is_about_events: bool) -> ChosenField:
    if is_about_events:
        return ChosenField(PROPERTY, attribute_key(name) or "")
    return choose_field(name)


def _has_line_end(field: ChosenField) -> bool:
    return any(end in text for end in "\r\n" for text in (field.name, field.property))


def _show_values(
    field: ChosenField, word: str, written: Mapping[str, Any], words: Words
) -> tuple[str, tuple[str, ...]] | None:
    types = list_types(field, word)
    if not types:
        return "", ()
    value = written[VALUE]
    found = find_type(types, value if is_list(word) else [value], words)
    # The same choice cannot be made twice.
    if found is None or (found[0] in CHOSEN_TYPES and len({*found[1]}) < len(found[1])):
        return None
    return found


def _show_where(where: tree.All | tree.Any, written: Mapping[str, Any], words: Words) -> GroupForm | None:
    rules = tree.rules_of(where)
    items = [
        _show_rule(rule, one, words, is_about_events=True)
        for rule, one in zip(rules, written[RULES], strict=True)
    ]
    shown = tuple(item for item in items if item is not None)
    return GroupForm(_mode_of(where), shown) if len(shown) == len(items) else None
