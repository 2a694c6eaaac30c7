"""Tags: a name that contacts have, with a color and a description."""

from typing import Final

import msgspec

from diglot.conditions import text

DEFAULT_COLOR: Final = "#6366f1"


class Tag(msgspec.Struct, frozen=True):
    """A stored tag. Every write of contacts updates `contact_count`; instants are in microseconds."""

    number: int
    id: str
    name: str
    color: str
    description: str | None
    contact_count: int
    created_at: int
    updated_at: int

    @property
    def exact_name(self) -> str:
        """The name in normal form, in which names are compared."""
        return text.to_nfc(self.name)
