"""The bytes of uploaded files, in chunks of one size, so that an offset names its chunk."""

import zlib
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from diglot.storage.schema import import_chunks
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

# The bytes of every chunk but the last, before they are compressed.
CHUNK_BYTES: Final = 1024 * 1024
# Text of contacts shrinks to about a third at the fastest level; slower ones gain a tenth.
_LEVEL: Final = 1
_AFTER_ALL: Final = 2**31 - 1
_c = import_chunks.c
_OF_JOB: Final = (_c.workspace == bindparam("workspace"), _c.job == bindparam("job"))
_INSERT: Final = Statement(insert(import_chunks))
_SELECT: Final = Statement(select(_c.content).where(*_OF_JOB, _c.chunk == bindparam("chunk")))
_DELETE: Final = Statement(delete(import_chunks).where(*_OF_JOB, _c.chunk < bindparam("before")))


def compress(content: bytes) -> bytes:
    """Return a chunk as it is stored."""
    return zlib.compress(content, _LEVEL)


async def insert_chunk(tenant: Tenant, job: int, chunk: int, compressed: bytes) -> None:
    """Insert a chunk of a job's file."""
    await tenant.execute(_INSERT, job=job, chunk=chunk, content=compressed)


async def load_chunk(tenant: Tenant, job: int, chunk: int) -> bytes:
    """Return the bytes of a chunk; none behind the end of the file."""
    row = await tenant.fetch_one(_SELECT, job=job, chunk=chunk)
    return b"" if row is None else zlib.decompress(row[0])


async def delete_all(tenant: Tenant, job: int) -> None:
    """Delete the chunks of a job."""
    await tenant.execute(_DELETE, job=job, before=_AFTER_ALL)


async def delete_before(tenant: Tenant, job: int, offset: int) -> None:
    """Delete the chunks whose bytes are all before an offset."""
    await tenant.execute(_DELETE, job=job, before=offset // CHUNK_BYTES)
