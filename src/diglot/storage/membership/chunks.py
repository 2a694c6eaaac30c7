"""Rows of chunks: the stored members of segments, as bitmaps of at most 65,536 dense keys each."""

from collections.abc import Iterable, Sequence
from typing import Any

from pyroaring import BitMap
from sqlalchemy import BigInteger, bindparam, delete, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.membership.log_delta import CHUNK_BITS, chunks_of, within
from diglot.storage.schema import segment_chunks
from diglot.storage.sql import bulk
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

_c = segment_chunks.c
_HERE = _c.workspace == bindparam("workspace")
_OF = _c.segment == bindparam("segment")
_SIZES = Statement(select(_c.chunk, _c.n).where(_HERE, _OF))
_BITS = Statement(select(_c.bits).where(_HERE, _OF, _c.chunk == bindparam("chunk")))
_ALL_BITS = Statement(select(_c.bits).where(_HERE, _OF).order_by(_c.chunk))
_ROWS = Statement(select(_c.chunk, _c.n, _c.bits).where(_HERE, _OF).order_by(_c.chunk))
_FORGET = Statement(delete(segment_chunks).where(_HERE, _OF))


def _some(backend: Backend) -> ClauseElement:
    def one_of(column: Any, name: str) -> Any:
        return backend.is_any(column, [], BigInteger(), lambda _, kind: bindparam(name, type_=kind))

    wanted = one_of(_c.segment, "segments"), one_of(_c.chunk, "chunks")
    return select(_c.segment, _c.chunk, _c.bits).where(_HERE, *wanted)


_SOME = BackendStatement(_some)


_WRITE = bulk.inserting(segment_chunks, replaced=("n", "bits"))


async def sizes(transaction: Transaction, workspace: int, segment: int) -> dict[int, int]:
    """Return how many members each chunk of a segment holds."""
    rows = await transaction.rows(_SIZES, {"workspace": workspace, "segment": segment})
    return {row[0]: row[1] for row in rows}


async def one(transaction: Transaction, workspace: int, segment: int, chunk: int) -> BitMap:
    """Return the members that a chunk of a segment holds."""
    row = await transaction.row(_BITS, {"workspace": workspace, "segment": segment, "chunk": chunk})
    return BitMap() if row is None else BitMap.deserialize(bytes(row[0]))


async def every(transaction: Transaction, workspace: int, segment: int) -> BitMap:
    """Return the members that all chunks of a segment hold."""
    rows = await transaction.rows(_ALL_BITS, {"workspace": workspace, "segment": segment})
    return BitMap.union(BitMap(), *(BitMap.deserialize(bytes(row[0])) for row in rows))


async def rows(transaction: Transaction, workspace: int, segment: int) -> list[tuple[int, int, BitMap]]:
    """Return the chunks of a segment as they are: the number, how many it says it holds, and whom."""
    found = await transaction.rows(_ROWS, {"workspace": workspace, "segment": segment})
    return [(chunk, n, BitMap.deserialize(bytes(bits))) for chunk, n, bits in found]


async def some(
    transaction: Transaction, workspace: int, segments: Iterable[int], numbers: Iterable[int]
) -> dict[tuple[int, int], BitMap]:
    """Return some chunks of some segments, those that are there, by segment and chunk."""
    encode = transaction.backend.encode_list
    wanted = {"segments": encode(sorted(segments)), "chunks": encode(sorted(numbers))}
    rows = await transaction.rows(_SOME, wanted | {"workspace": workspace})
    return {(row[0], row[1]): BitMap.deserialize(bytes(row[2])) for row in rows}


async def write(transaction: Transaction, workspace: int, written: Sequence[tuple[int, int, BitMap]]) -> None:
    """Write chunks, each a segment, the number of the chunk, and all members in it."""
    values = []
    for segment, chunk, members in written:
        members.run_optimize()
        row = {"workspace": workspace, "segment": segment, "chunk": chunk}
        values.append(row | {"n": len(members), "bits": members.serialize()})
    await _WRITE.run(transaction, values)


async def replace(transaction: Transaction, workspace: int, segment: int, members: BitMap) -> None:
    """Write all members of a segment in place of those stored."""
    await transaction.run(_FORGET, {"workspace": workspace, "segment": segment})
    await write(
        transaction,
        workspace,
        [(segment, chunk, members & within(chunk)) for chunk in chunks_of(members)],
    )


def chunk_of(pk: int) -> int:
    """Return the chunk of a key."""
    return pk >> CHUNK_BITS
