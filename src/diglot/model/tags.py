"""Tags: a name that contacts bear, with a colour and a description of its own."""

from dataclasses import dataclass
from typing import Final

from diglot.conditions import text

DEFAULT_COLOR: Final = "#6366f1"


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as stored. `contact_count` is kept by every write of contacts; instants in microseconds."""

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
        """The name in the normal form that names are compared in."""
        return text.to_nfc(self.name)
