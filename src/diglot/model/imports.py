"""Imports of files: a job, its options, and what has become of its rows."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

ImportStatus = Literal["uploading", "ready", "waiting", "running", "done", "cancelled", "failed"]
# The file of a reviewed job is here, and a person decides how it is read and when it is imported.
READY: Final = "ready"
# No process works on a job in one of these.
ENDED: Final[tuple[ImportStatus, ...]] = ("done", "cancelled", "failed")
ACTIVE: Final[tuple[ImportStatus, ...]] = ("waiting", "running")


class ImportOptions(msgspec.Struct, frozen=True):
    """How a file is read, and what happens to its contacts.

    `mapping` and `preset` say what the columns are; `encoding` is the character set that the sender declares.
    `tags` are added to every contact, and `status` is one that every contact is lowered to. `only_lowers`
    lets no value of the file raise the status of a contact. A `dry_run` finds out what would become of the
    rows, and writes no contact; the file of a job that `is_reviewed` stays after it, for the import.
    """

    mapping: dict[str, str] = {}
    preset: str | None = None
    encoding: str | None = None
    update_existing: bool = True
    tags: tuple[str, ...] = ()
    status: str | None = None
    dry_run: bool = False
    only_lowers: bool = False
    is_reviewed: bool = False


class FileWarning(msgspec.Struct, frozen=True):
    """Something about a file that is probably not meant: the column, empty for the whole file, and what."""

    path: str
    code: str
    message: str


class ImportCounts(msgspec.Struct):
    """The rows of an import so far, by what became of them.

    `unsubscribed` are those whose contact has a status other than subscribed since this import; they are
    among the created or updated ones.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: int = 0
    unsubscribed: int = 0

    def add(self, more: "ImportCounts") -> None:
        """Add the counts of further rows."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(more, name))


class ImportProgress(msgspec.Struct):
    """How far a job is. A file is read twice: it is checked as a whole before its first row is imported.

    `total_rows` is known when it `is_checked`. `offset` is the number of bytes that are done, and `state` is
    what a reader needs to continue there, None at the beginning. `header` has the names of the columns;
    `custom_fields` are those that are stored as custom fields. `warnings` are about the columns.
    `refused_values` has the number of rejected rows for each column with a value that was the reason, and
    `uncertain_rows` the number of rows that a dry run may count wrongly.
    """

    is_checked: bool = False
    total_rows: int = 0
    offset: int = 0
    state: str | None = None
    header: list[str] = []
    custom_fields: list[str] = []
    warnings: list[FileWarning] = []
    refused_values: dict[str, int] = {}
    uncertain_rows: int = 0
    counts: ImportCounts = msgspec.field(default_factory=ImportCounts)


@dataclass(frozen=True, slots=True)
class ImportJob:
    """An import of a file; `size` is in bytes.

    A file that was uploaded is in the database until it is imported. Of a reviewed one that is ready, `error`
    says why a dry run refused it. Another one is read by the command that
    imports it, which knows by `digest`, of options and the beginning of the file, that it continues a job.
    """

    number: int
    id: str
    status: ImportStatus
    is_upload: bool
    name: str
    size: int
    digest: str
    options: ImportOptions
    progress: ImportProgress
    error: str | None
    created_at: int
    updated_at: int

    @property
    def is_tried(self) -> bool:
        """Whether a dry run has found what an import with these options would do."""
        return self.status == READY and self.progress.is_checked and self.error is None


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that was not imported: its number as a spreadsheet shows it, why, and its cells.

    `email` is the address of the row in the form in which addresses are compared, empty without one.
    """

    row: int
    reason: str
    email: str
    cells: list[str]
