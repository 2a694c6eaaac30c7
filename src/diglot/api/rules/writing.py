"""Writes conditions as vendor rules, driven by a dialect's table of words.

Both vendors write a condition as groups of `{field, operator, value}`. The dialects differ only in the
property and words for a group's mode and in the words for operators.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET

from diglot.api.rules.words import FIELD, OPERATOR, RULES, VALUE, WHERE, Words
from diglot.conditions import dates, tree
from diglot.conditions.computed_fields import SEGMENTS, is_computed, write_name
from diglot.conditions.fields import attribute_key
from diglot.errors import Path
from diglot.model.segments import Condition

_encode = msgspec.json.Encoder().encode


def write_condition(node: tree.Node, words: Words) -> str:
    """Return a condition as JSON, in the dialect's words and in canonical form."""
    return _encode(_write_group(node, words)).decode()


def _write_group(node: tree.Node, words: Words) -> dict[str, Any]:
    group = as_group(node)
    return {
        words.group_key: mode_word(group, words),
        RULES: [_write_item(item, words) for item in group.items],
    }


def as_group(node: tree.Node) -> tree.All | tree.Any:
    """Return a node as a group; a single rule at the root is wrapped in one."""
    return node if isinstance(node, tree.All | tree.Any) else tree.All((node,))


def mode_word(group: tree.All | tree.Any, words: Words) -> str:
    """Return the word for the mode of a group: all rules have to match, or any."""
    wanted = "all" if isinstance(group, tree.All) else "any"
    return next(word for word, meaning in words.modes.items() if meaning == wanted)


def iterate_rule_paths(node: tree.Node, path: Path) -> Iterator[Path]:
    """Yield the paths of the rules of a written condition in order; `path` is that of the condition."""
    if not isinstance(node, tree.All | tree.Any):
        yield path
        return
    for index, item in enumerate(node.items):
        yield from iterate_rule_paths(item, (*path, RULES, index))


def _write_item(node: tree.Node, words: Words) -> dict[str, Any]:
    return _write_group(node, words) if isinstance(node, tree.All | tree.Any) else write_rule(node, words)


def write_rule(node: tree.Predicate | tree.Not, words: Words) -> dict[str, Any]:
    """Return a rule in the words of the dialect."""
    return _write_rule(node, words, words.attribute_prefix)


def _write_rule(node: tree.Predicate | tree.Not, words: Words, attribute_prefix: str) -> dict[str, Any]:
    negated = isinstance(node, tree.Not)
    item = node.item if isinstance(node, tree.Not) else node
    assert isinstance(item, tree.Predicate), "no dialect writes a negated group"
    word = tree.NEGATIVE_WORD_OF[item.op] if negated else str(item.op)
    name = write_name(item.field, attribute_prefix)
    found: dict[str, Any] = {
        FIELD: name,
        OPERATOR: {**words.own_operators, **words.borrowed_operators}[word],
    }
    if item.operand is not None:
        value = _write_value(item.operand)
        found[VALUE] = _write_segment_ids(value, words) if item.field == SEGMENTS else value
    if item.where is not UNSET:
        found[WHERE] = _write_where(item.where, words)
    return found


def _write_segment_ids(value: Any, words: Words) -> Any:
    if isinstance(value, list):
        return [words.format_segment_id(one) for one in value]
    return words.format_segment_id(value)


def _write_where(where: tree.All | tree.Any, words: Words) -> dict[str, Any]:
    """Return the rules that an event has to match, in which properties have their bare names."""
    rules = [_write_rule(rule, words, "") for rule in tree.rules_of(where)]
    return {words.group_key: mode_word(where, words), RULES: rules}


def _write_value(operand: tree.Operand) -> Any:
    if isinstance(operand, tree.Values):
        return [_write_value(value) for value in operand.values]
    if isinstance(operand, tree.Instant):
        return dates.format_instant(operand.value)
    assert operand is not None
    return operand.value


_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


def show_condition(condition: Condition, dialect: str, words: Words) -> msgspec.Raw:
    """Return a stored condition as sent, or in the words of a dialect if it was sent in another.

    A name that has become that of a computed field, such as `sample`, may stand bare in a text that was sent
    before, where it meant an attribute. It is shown with its prefix, or it would be read as another field.
    """
    source = condition.original
    if source.dialect != dialect:
        return msgspec.Raw(write_condition(condition.tree, words).encode())
    sent = msgspec.Raw(source.text.encode())
    if not any(map(_is_hidden, tree.fields_of(condition.tree))):
        return sent
    return msgspec.Raw(_write_prefixes(sent, tree.predicates_of(condition.tree), words.attribute_prefix))


def _is_hidden(name: str) -> bool:
    """Tell whether a field is an attribute that its bare key does not name."""
    key = attribute_key(name)
    return key is not None and is_computed(key)


def _write_prefixes(raw: msgspec.Raw, predicates: Iterator[tree.Predicate], prefix: str) -> bytes:
    """Return a group or a rule of the original text; its rules stand in the order of the predicates."""
    members = _decode_object(raw)
    if RULES in members:
        rules = (_write_prefixes(rule, predicates, prefix) for rule in _decode_array(members[RULES]))
        members[RULES] = msgspec.Raw(_encode([msgspec.Raw(rule) for rule in rules]))
    elif _is_hidden(next(predicates).field) and is_computed(name := _decode_text(members[FIELD])):
        members[FIELD] = msgspec.Raw(_encode(prefix + name))
    return _encode(members)
