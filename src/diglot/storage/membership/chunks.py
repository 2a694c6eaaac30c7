"""Rows of chunks: the stored members of segments, as bitmaps of at most 65,536 dense keys each."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pyroaring import BitMap
from sqlalchemy import BigInteger, bindparam, delete, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import segment_chunks
from diglot.storage.sql import bulk
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

CHUNK_BITS: Final = 16


def keys_of_chunk(chunk: int) -> BitMap:
    """Return every key of a chunk."""
    return BitMap(range(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS))


def chunks_of(keys: BitMap) -> list[int]:
    """Return the chunks in which a bitmap has keys."""
    found: list[int] = []
    begin = 0
    while (rank := keys.range_cardinality(0, begin)) < len(keys):
        chunk = keys[rank] >> CHUNK_BITS
        found.append(chunk)
        begin = (chunk + 1) << CHUNK_BITS
    return found


_c = segment_chunks.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_OF_SEGMENT = _c.segment == bindparam("segment")
_SELECT_SIZES = Statement(select(_c.chunk, _c.member_count).where(_IN_WORKSPACE, _OF_SEGMENT))
_SELECT_BITMAPS = Statement(
    select(_c.bitmap).where(_IN_WORKSPACE, _OF_SEGMENT, _c.chunk == bindparam("chunk"))
)
_SELECT_ALL_BITMAPS = Statement(select(_c.bitmap).where(_IN_WORKSPACE, _OF_SEGMENT).order_by(_c.chunk))
_SELECT_ROWS = Statement(
    select(_c.chunk, _c.member_count, _c.bitmap).where(_IN_WORKSPACE, _OF_SEGMENT).order_by(_c.chunk)
)
_DELETE_OF_SEGMENT = Statement(delete(segment_chunks).where(_IN_WORKSPACE, _OF_SEGMENT))


def _select_some(backend: Backend) -> ClauseElement:
    def one_of(column: Any, name: str) -> Any:
        return backend.one_of(column, [], BigInteger(), lambda _, kind: bindparam(name, type_=kind))

    wanted = one_of(_c.segment, "segments"), one_of(_c.chunk, "chunks")
    return select(_c.segment, _c.chunk, _c.bitmap).where(_IN_WORKSPACE, *wanted)


_SELECT_SOME = BackendStatement(_select_some)


_UPSERT = bulk.build_insert(segment_chunks, replaced=("member_count", "bitmap"))


async def load_sizes(transaction: Transaction, workspace: int, segment: int) -> dict[int, int]:
    """Return how many members each chunk of a segment holds."""
    rows = await transaction.fetch_all(_SELECT_SIZES, {"workspace": workspace, "segment": segment})
    return {row[0]: row[1] for row in rows}


async def load_chunk(transaction: Transaction, workspace: int, segment: int, chunk: int) -> BitMap:
    """Return the members that a chunk of a segment holds."""
    row = await transaction.fetch_one(
        _SELECT_BITMAPS, {"workspace": workspace, "segment": segment, "chunk": chunk}
    )
    return BitMap() if row is None else BitMap.deserialize(bytes(row[0]))


async def load_all(transaction: Transaction, workspace: int, segment: int) -> BitMap:
    """Return the members that all chunks of a segment hold."""
    rows = await transaction.fetch_all(_SELECT_ALL_BITMAPS, {"workspace": workspace, "segment": segment})
    return BitMap.union(BitMap(), *(BitMap.deserialize(bytes(row[0])) for row in rows))


async def load_rows(transaction: Transaction, workspace: int, segment: int) -> list[tuple[int, int, BitMap]]:
    """Return the chunks of a segment as they are: the number, how many it says it holds, and whom."""
    found = await transaction.fetch_all(_SELECT_ROWS, {"workspace": workspace, "segment": segment})
    return [(chunk, n, BitMap.deserialize(bytes(bits))) for chunk, n, bits in found]


async def load_some(
    transaction: Transaction, workspace: int, segments: Iterable[int], numbers: Iterable[int]
) -> dict[tuple[int, int], BitMap]:
    """Return some chunks of some segments, those that are there, by segment and chunk."""
    encode = transaction.backend.encode_list
    wanted = {"segments": encode(sorted(segments)), "chunks": encode(sorted(numbers))}
    rows = await transaction.fetch_all(_SELECT_SOME, wanted | {"workspace": workspace})
    return {(row[0], row[1]): BitMap.deserialize(bytes(row[2])) for row in rows}


async def write(transaction: Transaction, workspace: int, written: Sequence[tuple[int, int, BitMap]]) -> None:
    """Write chunks, each a segment, the number of the chunk, and all members in it."""
    values = []
    for segment, chunk, members in written:
        members.run_optimize()
        row = {"workspace": workspace, "segment": segment, "chunk": chunk}
        values.append(row | {"member_count": len(members), "bitmap": members.serialize()})
    await _UPSERT.execute(transaction, values)


async def replace(
    transaction: Transaction, workspace: int, segment: int, members: BitMap, *, is_new: bool = False
) -> None:
    """Write all members of a segment in place of those stored; a new one has none."""
    if not is_new:
        await transaction.execute(_DELETE_OF_SEGMENT, {"workspace": workspace, "segment": segment})
    await write(
        transaction,
        workspace,
        [(segment, chunk, members & keys_of_chunk(chunk)) for chunk in chunks_of(members)],
    )


def chunk_of(pk: int) -> int:
    """Return the chunk of a key."""
    return pk >> CHUNK_BITS
