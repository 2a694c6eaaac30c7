"""The file of an archive: a ZIP file with the rows of each table, and a manifest.

`tables/NAME.ndjson` has a JSON array for each row, in the order of the columns that the manifest names; bytes
are base64. `manifest.json` has the version of this format, the revision of the schema, and for each table the
number of its rows and the SHA-256 of its uncompressed lines. It is written last.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, Self

import msgspec

from diglot import __version__
from diglot.conditions import dates
from diglot.errors import Misconfigured
from diglot.service.archives.zip_members import iterate_lines, read_whole
from diglot.storage.archived_rows import ARCHIVED, ArchivedTable
from diglot.storage.schema.revisions import LATEST

# The highest version of the format that this version of Diglot reads, and the one that it writes.
FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
# Higher levels take several times as long for a tenth of the size.
_COMPRESSION_LEVEL: Final = 1
# A manifest has some kilobytes, a row at most a few megabytes.
MAX_MANIFEST_BYTES: Final = 1 << 20
MAX_LINE_BYTES: Final = 64 << 20
# A part has so many rows or bytes at most, but at least one row.
ROWS_PER_PART: Final = 1_000
BYTES_PER_PART: Final = 4 << 20
_encode_lines: Final = msgspec.json.Encoder().encode_lines
# `zipfile` raises RuntimeError for an encrypted file, and for what it does not support, ValueError for an
# impossible place in the file.
_DAMAGE: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, msgspec.DecodeError),
    *(RuntimeError, ValueError, OverflowError),
)
# PostgreSQL stores no such character. The bytes of its escape can also be a part of other text.
_NUL, _ESCAPED_NUL = "\0", b"\\u0000"


class TableEntry(msgspec.Struct, frozen=True):
    """A table in a manifest."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What an archive contains, and what wrote it."""

    format: int
    revision: str
    diglot: str
    workspace: str
    created_at: str
    tables: tuple[TableEntry, ...]

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return sum(table.rows for table in self.tables)

    def rows_of(self, name: str) -> int:
        """Return the number of rows of a table."""
        return next(table.rows for table in self.tables if table.name == name)


class _FormatOnly(msgspec.Struct):
    format: int


def is_archive(file: BinaryIO) -> bool:
    """Tell whether a file is a ZIP file with a manifest and tables, whatever they contain."""
    try:
        with zipfile.ZipFile(file) as opened:
            names = opened.namelist()
    except _DAMAGE:
        names = []
    file.seek(0)
    return _MANIFEST in names and any(_file_of(table) in names for table in ARCHIVED)


class ArchiveWriter:
    """Writes an archive table by table, until the end of a block."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(
            file, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=_COMPRESSION_LEVEL
        )
        self._entries: list[TableEntry] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def open_table(self, table: ArchivedTable) -> "TableWriter":
        """Return the writer of a table, a context manager."""
        return TableWriter(self._zip, table, self._entries)

    def write_manifest(self, workspace: str, now: int) -> Manifest:
        """Write the manifest, which completes the archive."""
        at = dates.format_instant(now)
        manifest = Manifest(FORMAT, LATEST, __version__, workspace, at, tuple(self._entries))
        encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        self._zip.writestr(_MANIFEST, encoded)
        return manifest


class TableWriter:
    """Writes the rows of a table, and adds its entry for the manifest at the end of the block."""

    def __init__(self, file: zipfile.ZipFile, table: ArchivedTable, entries: list[TableEntry]) -> None:
        self._table, self._entries = table, entries
        self._file = file.open(_file_of(table), "w", force_zip64=True)
        self._digest, self._rows = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        return self

    def write(self, rows: Sequence[Sequence[Any]]) -> int:
        """Write rows; return their size in bytes."""
        lines = _encode_lines(rows)
        self._digest.update(lines)
        self._rows += len(rows)
        self._file.write(lines)
        return len(lines)

    def __exit__(self, *_: object) -> None:
        self._file.close()
        entry = TableEntry(self._table.name, self._table.columns, self._rows, self._digest.hexdigest())
        self._entries.append(entry)


class ArchiveReader:
    """Reads an archive; raises `Misconfigured` for a file that is damaged, or of another version."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
            self.manifest = _decode_manifest(read_whole(self._zip, _MANIFEST, MAX_MANIFEST_BYTES))
        except (*_DAMAGE, KeyError) as error:
            raise Misconfigured(f"this is no archive of a workspace, or it is damaged: {error}") from error

    def verify(self) -> Iterator[int]:
        """Read everything, and compare it with the manifest; yield the number of rows so far."""
        entries = {entry.name: entry for entry in self.manifest.tables}
        if len(entries) != len(self.manifest.tables):
            raise Misconfigured("the archive is damaged: a table is listed twice")
        if set(entries) != {table.name for table in ARCHIVED}:
            raise Misconfigured("the archive is damaged: its tables are not those of its revision")
        done = 0
        for table in ARCHIVED:
            entry, digest, rows = entries[table.name], hashlib.sha256(), 0
            if entry.columns != table.columns:
                raise Misconfigured(f"the archive is damaged: the columns of {table.name} differ")
            for part in self.iterate_parts(table, digest):
                rows += len(part)
                yield done + rows
            done += rows
            if rows != entry.rows or digest.hexdigest() != entry.sha256:
                raise Misconfigured(f"the archive is damaged: the rows of {table.name} have another digest")

    def iterate_parts(self, table: ArchivedTable, digest: Any = None) -> Iterator[list[Sequence[Any]]]:
        """Yield the rows of a table in parts, and update a digest with their lines."""
        decode = msgspec.json.Decoder(table.row_type).decode
        part: list[Sequence[Any]] = []
        size = 0
        try:
            for line in iterate_lines(self._zip, _file_of(table), MAX_LINE_BYTES):
                if digest is not None:
                    digest.update(line)
                row = decode(line)
                if _ESCAPED_NUL in line:
                    _require_no_nul(row)
                table.check_texts(row)
                part.append(row)
                size += len(line)
                if len(part) >= ROWS_PER_PART or size >= BYTES_PER_PART:
                    yield part
                    part, size = [], 0
            if part:
                yield part
        except (*_DAMAGE, KeyError) as error:
            raise Misconfigured(f"the archive is damaged: {table.name}: {error}") from error

    def read_only_row(self, table: ArchivedTable) -> dict[str, Any]:
        """Return the row of a table that has one for each workspace."""
        rows = [row for part in self.iterate_parts(table) for row in part]
        if len(rows) != 1:
            raise Misconfigured(f"the archive is damaged: {table.name} has {len(rows)} rows")
        return table.to_mapping(rows[0])


def _require_no_nul(row: Sequence[Any]) -> None:
    if any(isinstance(value, str) and _NUL in value for value in row):
        raise ValueError("a text has the character U+0000")


def _file_of(table: ArchivedTable) -> str:
    return f"tables/{table.name}.ndjson"


def _decode_manifest(encoded: bytes) -> Manifest:
    version = msgspec.json.decode(encoded, type=_FormatOnly).format
    if version > FORMAT:
        raise Misconfigured(
            f"a newer Diglot wrote this archive (format {version}; this one reads {FORMAT}): use that one"
        )
    if version < 1:
        raise Misconfigured(f"this is no archive of a workspace: it has the format {version}")
    manifest = msgspec.json.decode(encoded, type=Manifest)
    if manifest.revision != LATEST:
        raise Misconfigured(
            f"Diglot {manifest.diglot} wrote this archive at revision {manifest.revision} of the schema, and "
            f"this version has {LATEST}: import it with that version, migrate, and export it again"
        )
    return manifest
