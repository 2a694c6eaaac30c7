"""References that became invalid because what they name was deleted."""

import msgspec

from diglot.conditions.references import Reference


class DeletedReference(msgspec.Struct, frozen=True, array_like=True):
    """A deleted tag or list that a rule excludes: its field and value as rules name it, and its name."""

    field: str
    value: str
    name: str

    @property
    def reference(self) -> Reference:
        """What rules name."""
        return Reference(self.field, self.value)
