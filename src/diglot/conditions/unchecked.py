"""A condition as written: canonical operator words, operands unchecked, each part with its path.

A dialect turns its vendor's JSON into this; `check` turns this into the tree. What the dialect could
not read stands here as `Unreadable`, so that all faults come out in the order of the document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from diglot.errors import Fault, Path


@dataclass(frozen=True, slots=True)
class UncheckedRule:
    """One rule. A part that the dialect could not read is None, and `faults` says why.

    An operand that was not given is `UNSET`, because JSON null is None.

    The three paths say where each part stands or would stand; `keys` is the order they were written in.
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

    def path_of(self, key: str) -> Path:
        """Return the path of one of the rule's keys."""
        return (*self.path, key)

    def in_document_order(self, faults: Sequence[Fault]) -> list[Fault]:
        """Return faults of this rule in the order of the document; a missing key comes last."""
        place = {key: index for index, key in enumerate(self.key_order)}
        depth = len(self.path)

        def position(fault: Fault) -> int:
            return place.get(str(fault.path[depth]), len(place)) if len(fault.path) > depth else -1

        return sorted(faults, key=position)


@dataclass(frozen=True, slots=True)
class UncheckedGroup:
    """A group of rules. Past the depth limit a dialect may leave `items` empty: check refuses it first."""

    mode: Literal["all", "any"]
    items: "Sequence[Unchecked]"
    path: Path


@dataclass(frozen=True, slots=True)
class UncheckedNot:
    """A negated rule or group; neither vendor can write one except as a negative operator."""

    item: "Unchecked"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part that is not of the dialect's shape."""

    faults: tuple[Fault, ...]


Unchecked = UncheckedRule | UncheckedGroup | UncheckedNot | Unreadable
