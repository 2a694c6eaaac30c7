"""What an import needs of a file: its bytes from any offset on, and a reader of its contacts.

How files are written is no matter of use cases, so the reader comes from above.
"""

from collections.abc import Iterator
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from diglot.model.contacts import ContactChange
from diglot.model.imports import FileWarning, ImportOptions, RejectedRow


class FileRow(msgspec.Struct, frozen=True, gc=False):
    """A row of a file: the change that it means, None if it is rejected.

    `offset` and `line` are the position after it. `email` is the address as `RejectedRow` has it. `column` is
    the one that the row is rejected for, empty if it is about the whole row.
    """

    number: int
    offset: int
    line: int
    cells: list[str]
    email: str
    change: ContactChange | None
    reason: str = ""
    column: str = ""

    def to_rejected(self, reason: str) -> RejectedRow:
        """Return the row as one that is rejected."""
        return RejectedRow(self.number, reason, self.email, self.cells)


class ContactFile(Protocol):
    """Reads the contacts of a file that it is fed with.

    Every method raises `InvalidInput` for a file that cannot be imported.
    """

    @property
    def custom_fields(self) -> list[str]: ...

    @property
    def warnings(self) -> list[FileWarning]: ...

    @property
    def header(self) -> list[str]: ...

    def feed(self, data: bytes, *, is_final: bool) -> None:
        """Take the next bytes."""

    def check(self) -> int:
        """Check the complete rows for what rejects the whole file; return how many have content."""

    def read(self) -> Iterator[FileRow]:
        """Yield the complete rows."""

    def state_after(self, row: FileRow) -> str:
        """Return what another reader needs to continue after a row."""


class OpenContactFile(Protocol):
    """Returns the reader of a file, from its beginning or from a state."""

    def __call__(
        self, options: ImportOptions, zone: ZoneInfo, now: int, state: str | None = None
    ) -> ContactFile: ...


class ByteSource(Protocol):
    """The bytes of a file."""

    async def read(self, offset: int) -> bytes:
        """Return some bytes from an offset on; none at the end."""
