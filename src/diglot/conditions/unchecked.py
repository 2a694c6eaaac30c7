"""Unchecked conditions: canonical operators, operands as sent, and the path of each part.

A dialect converts its vendor's JSON to these structures, and `check` converts them to the tree. A part that
the dialect could not read is `Unreadable`, so that all faults are reported in document order.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from diglot.errors import Fault, Path


class UncheckedRule(msgspec.Struct, frozen=True):
    """One rule. A part that the dialect could not read is None, and `faults` says why.

    An operand that was not sent is `UNSET`, because JSON null is None. `field_key`, `operator_key` and
    `operand_key` name the property of each part, sent or missing; `key_order` is the order in which the
    properties were sent. `where` are the rules about events, whose fields are names of properties.
    """

    field: str | None
    operator: str | None
    operand: object
    path: Path
    key_order: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    field_key: str = "field"
    operator_key: str = "operator"
    operand_key: str = "value"
    where: "UncheckedGroup | Unreadable | None" = None
    where_key: str = "where"

    def path_of(self, key: str) -> Path:
        """Return the path of one of the rule's properties."""
        return (*self.path, key)

    def in_document_order(self, faults: Sequence[Fault]) -> list[Fault]:
        """Return faults of this rule in document order; a missing property comes last."""
        positions = {key: index for index, key in enumerate(self.key_order)}
        depth = len(self.path)

        def position(fault: Fault) -> int:
            return positions.get(str(fault.path[depth]), len(positions)) if len(fault.path) > depth else -1

        return sorted(faults, key=position)


class UncheckedGroup(msgspec.Struct, frozen=True):
    """A group of rules.

    Beyond the depth limit a dialect may leave `items` empty, because `check` rejects it.
    """

    mode: Literal["all", "any"]
    items: "Sequence[Unchecked]"
    path: Path


class UncheckedNot(msgspec.Struct, frozen=True):
    """A negated rule or group; the vendors' rules express it only by a negative operator."""

    item: "Unchecked"


class Unreadable(msgspec.Struct, frozen=True):
    """A part that does not have the dialect's structure."""

    faults: tuple[Fault, ...]


Unchecked = UncheckedRule | UncheckedGroup | UncheckedNot | Unreadable
