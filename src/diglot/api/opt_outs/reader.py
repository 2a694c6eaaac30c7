"""Reads the opt-out columns of one import row by row; any fault rejects the import."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from diglot.api.opt_outs.columns import OptOutColumn
from diglot.api.opt_outs.names import column_of
from diglot.api.opt_outs.values import status_of
from diglot.conditions.fields import stricter
from diglot.conditions.operands import OperandError
from diglot.errors import Fault, Path

MOST_FAULTS: Final = 100
_ADVICE: Final = (
    "rename the column, or its values to words such as true, false, unsubscribed, bounced and complained"
)


@dataclass(slots=True)
class OptOuts:
    """The opt-out columns of one import; `faults` has the first fault of each column."""

    _faults: dict[str, Fault] = field(default_factory=dict)

    @property
    def faults(self) -> list[Fault]:
        """Return the faults that reject the import, in the order of its rows."""
        return list(self._faults.values())

    def read(self, column: OptOutColumn | None, name: str, value: Any, path: Path) -> str | None:
        """Return the status that a value lowers a contact to, or None; record a fault if it is unknown."""
        if column is None:
            return None
        try:
            return status_of(column, value)
        except OperandError as unfit:
            if len(self._faults) < MOST_FAULTS:
                self._faults.setdefault(name, Fault(path, f"{unfit}: {_ADVICE}"))
            return None

    def read_object(self, members: Mapping[str, Any], path: Path) -> str | None:
        """Return the strictest status that the members of an object lower a contact to, or None."""
        lowered: str | None = None
        for key, value in members.items():
            lowered = stricter(lowered, self.read(column_of(key), key, value, (*path, key)))
        return lowered
