"""References: the tags and lists that rules name, found, renamed, and told apart by what a deletion would do.

A rule that names a tag or a list matches nobody by it once that is gone, so its complement would match
everybody. A condition *excludes* a reference if such a rule stands under an odd number of negations.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from diglot.conditions import tree
from diglot.conditions.tree import Op

# The operators whose operands name whole values. Ids of lists have one length, so a part of one is all of it.
_NAMING_OPS: Final = {
    "tags": frozenset({Op.EQUALS, Op.CONTAINS, Op.IN}),
    "lists": frozenset({Op.EQUALS, Op.CONTAINS, Op.IN, Op.STARTS_WITH, Op.ENDS_WITH}),
    "segments": frozenset({Op.EQUALS, Op.CONTAINS, Op.IN}),
}
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Reference(msgspec.Struct, frozen=True):
    """What a rule names: the field, and the value in the form of operands, a tag in normal form or an id."""

    field: str
    value: str

    def is_named_by(self, predicate: tree.Predicate) -> bool:
        """Tell whether a predicate names it."""
        if predicate.field != self.field or predicate.op not in _NAMING_OPS[self.field]:
            return False
        return any(self.equals(scalar) for scalar in tree.scalars_of(predicate.operand))

    def equals(self, scalar: tree.Scalar) -> bool:
        """Tell whether an operand is the value."""
        return isinstance(scalar, tree.Text) and scalar.value == self.value


def is_named(node: tree.Node, reference: Reference) -> bool:
    """Tell whether a condition names a reference."""
    return any(map(reference.is_named_by, tree.predicates_of(node)))


def is_excluded(node: tree.Node, reference: Reference) -> bool:
    """Tell whether a condition could match more contacts if nobody had the tag, or were on the list."""
    return any(
        negated and reference.is_named_by(predicate) for predicate, negated in _signed_predicates(node)
    )


def _signed_predicates(node: tree.Node, *, negated: bool = False) -> Iterator[tuple[tree.Predicate, bool]]:
    if isinstance(node, tree.Predicate):
        yield node, negated
    elif isinstance(node, tree.Not):
        yield from _signed_predicates(node.item, negated=not negated)
    else:
        for item in node.items:
            yield from _signed_predicates(item, negated=negated)


def rename(node: tree.Node, reference: Reference, value: str) -> tree.Node:
    """Return a condition that names another value in place of a reference."""

    def rename_in(predicate: tree.Predicate) -> tree.Predicate:
        operand = predicate.operand
        if not isinstance(operand, tree.Values):
            return msgspec.structs.replace(predicate, operand=tree.Text(value))
        values = (tree.Text(value) if reference.equals(scalar) else scalar for scalar in operand.values)
        return msgspec.structs.replace(predicate, operand=tree.Values(tuple(values)))

    return _map_naming(node, reference, rename_in)


def accept_also(node: tree.Node, reference: Reference, value: str) -> tree.Node:
    """Return a condition that matches by another value too wherever it matches by a reference.

    While contacts change from one tag to another, it is true of each before and after its change.
    """

    def accept_in(predicate: tree.Predicate) -> tree.Predicate:
        values = (*tree.scalars_of(predicate.operand), tree.Text(value))
        return tree.Predicate(predicate.field, Op.IN, tree.Values(values))

    return _map_naming(node, reference, accept_in)


def _map_naming(
    node: tree.Node, reference: Reference, change: Callable[[tree.Predicate], tree.Predicate]
) -> tree.Node:
    """Return a condition with the predicates changed that name a reference."""
    if isinstance(node, tree.Predicate):
        return change(node) if reference.is_named_by(node) else node
    if isinstance(node, tree.Not):
        return tree.Not(_map_naming(node.item, reference, change))
    items = tuple(_map_naming(item, reference, change) for item in node.items)
    return tree.All(items) if isinstance(node, tree.All) else tree.Any(items)


def rename_in_text(text: str, node: tree.Node, reference: Reference, name: str) -> str:
    """Return the original text of a condition with another name in place of a reference, else as it was sent.

    In every dialect a group has `rules`, and a rule has a `value`, in the order of the predicates.
    """
    renaming = _TextRenaming(tree.predicates_of(node), reference, name)
    return renaming.rewrite(msgspec.Raw(text.encode())).decode()


class _TextRenaming(msgspec.Struct, frozen=True):
    predicates: Iterator[tree.Predicate]
    reference: Reference
    name: str

    def rewrite(self, raw: msgspec.Raw) -> bytes:
        members = _decode_object(raw)
        if "rules" in members:
            rules = _decode_array(members["rules"])
            members["rules"] = msgspec.Raw(_encode([msgspec.Raw(self.rewrite(rule)) for rule in rules]))
        elif self.reference.is_named_by(predicate := next(self.predicates)):
            members["value"] = msgspec.Raw(self.rewrite_value(members["value"], predicate.operand))
        return _encode(members)

    def rewrite_value(self, raw: msgspec.Raw, operand: tree.Operand) -> bytes:
        if not isinstance(operand, tree.Values):
            return _encode(self.name)
        sent = _decode_array(raw)
        return _encode(
            [
                self.name if self.reference.equals(scalar) else value
                for scalar, value in zip(operand.values, sent, strict=True)
            ]
        )
