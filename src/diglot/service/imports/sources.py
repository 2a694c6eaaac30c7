"""Where the bytes of a job's file are: in the database, or in a file of the machine."""

from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Final

from diglot.storage.imports import chunks
from diglot.storage.imports.chunks import CHUNK_BYTES
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import bind_workspace

# Reading the rows of so many bytes takes about a tenth of a second.
PIECE_BYTES: Final = 262_144


@dataclass(slots=True)
class UploadedFile:
    """A file in the database."""

    engine: Engine
    workspace: int
    job: int
    _number: int = -1
    _chunk: bytes = field(default=b"", repr=False)

    async def read(self, offset: int) -> bytes:
        """Return some bytes from an offset on; none at the end."""
        number, start = divmod(offset, CHUNK_BYTES)
        if number != self._number:
            work = partial(chunks.load_chunk, job=self.job, chunk=number)
            self._chunk = await self.engine.read(
                bind_workspace(self.workspace, work), workspace=self.workspace
            )
            self._number = number
        return self._chunk[start : start + PIECE_BYTES]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An open file."""

    file: BinaryIO

    async def read(self, offset: int) -> bytes:
        """Return some bytes from an offset on; none at the end."""
        self.file.seek(offset)
        return self.file.read(PIECE_BYTES)
