"""Stored members of segments: roaring bitmaps of at most 65,536 dense keys each.

A chunk holds the members whose key without its last 16 bits is the number of the chunk, and their number, so
that a count sums numbers and a page at a large offset reads one or two bitmaps. Measured at 1,000,000
contacts: a segment of 800,000 members takes 131 KB (one row for each member: 8.6 MB on SQLite, 61 MB on
PostgreSQL); a count takes 0.01 to 0.1 ms, a page at offset 500,000 takes 0.2 to 1.3 ms.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, Final

from pyroaring import BitMap
from sqlalchemy import BigInteger, bindparam, case, delete, func, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage import bulk
from diglot.storage.schema import segment_chunks
from diglot.storage.slices import compute_off_loop
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant

CHUNK_BITS: Final = 16
# A container of few keys holds them as numbers, one of many as a bit for each possible key.
_BYTES_OF_A_KEY: Final = 4
_BYTES_OF_A_FULL_CHUNK: Final = 8_300


def keys_of_chunk(chunk: int) -> BitMap:
    """Return every key that a chunk can hold."""
    return BitMap(range(chunk << CHUNK_BITS, (chunk + 1) << CHUNK_BITS))


def chunks_of(keys: BitMap) -> list[int]:
    """Return the numbers of the chunks in which a bitmap has keys, in order."""
    chunks: list[int] = []
    begin = 0
    while (rank := keys.range_cardinality(0, begin)) < len(keys):
        chunk = keys[rank] >> CHUNK_BITS
        chunks.append(chunk)
        begin = (chunk + 1) << CHUNK_BITS
    return chunks


def weigh_keys(keys: BitMap) -> int:
    """Return the bytes that a bitmap takes in memory at most, without looking at its containers."""
    if not keys:
        return 100
    chunk_count = (keys.max() >> CHUNK_BITS) - (keys.min() >> CHUNK_BITS) + 1
    return 200 + min(_BYTES_OF_A_KEY * len(keys), _BYTES_OF_A_FULL_CHUNK * chunk_count)


_c = segment_chunks.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_OF_SEGMENT = _c.segment == bindparam("segment")
_newest = segment_chunks.alias("newest").c
_NEWEST = (
    select(func.max(_newest.chunk))
    .where(_newest.workspace == bindparam("workspace"), _newest.segment == bindparam("segment"))
    .scalar_subquery()
)
_SELECT_SIZES = Statement(
    select(_c.chunk, _c.member_count, case((_c.chunk == _NEWEST, _c.bitmap))).where(
        _IN_WORKSPACE, _OF_SEGMENT
    )
)
_SELECT_BITMAPS = Statement(
    select(_c.bitmap).where(_IN_WORKSPACE, _OF_SEGMENT, _c.chunk == bindparam("chunk"))
)
_SELECT_ALL_BITMAPS = Statement(select(_c.bitmap).where(_IN_WORKSPACE, _OF_SEGMENT).order_by(_c.chunk))
_SELECT_ROWS = Statement(
    select(_c.chunk, _c.member_count, _c.bitmap).where(_IN_WORKSPACE, _OF_SEGMENT).order_by(_c.chunk)
)
_DELETE_OF_SEGMENT = Statement(delete(segment_chunks).where(_IN_WORKSPACE, _OF_SEGMENT))


def _one_of(backend: Backend, column: Any, name: str) -> Any:
    return backend.one_of(column, [], BigInteger(), lambda _, kind: bindparam(name, type_=kind))


def _select_some(backend: Backend) -> ClauseElement:
    among = _one_of(backend, _c.segment, "segments"), _one_of(backend, _c.chunk, "chunks")
    return select(_c.segment, _c.chunk, _c.bitmap).where(_IN_WORKSPACE, *among)


def _select_each(backend: Backend) -> ClauseElement:
    return select(_c.segment, _c.bitmap).where(_IN_WORKSPACE, _one_of(backend, _c.segment, "segments"))


_SELECT_SOME = BackendStatement(_select_some)
_SELECT_EACH = BackendStatement(_select_each)


_UPSERT = bulk.build_insert(segment_chunks, replaced=("member_count", "bitmap"))


async def load_sizes(tenant: Tenant, segment: int) -> tuple[dict[int, int], dict[int, BitMap]]:
    """Return the number of members in each chunk of a segment, and the members in the newest chunk.

    Most pages are in the newest chunk, so it comes with the numbers.
    """
    rows = await tenant.fetch_all(_SELECT_SIZES, segment=segment)
    newest = {row[0]: BitMap.deserialize(bytes(row[2])) for row in rows if row[2] is not None}
    return {row[0]: row[1] for row in rows}, newest


async def load_chunk(tenant: Tenant, segment: int, chunk: int) -> BitMap:
    """Return the members in one chunk of a segment; empty if the chunk is not stored."""
    row = await tenant.fetch_one(_SELECT_BITMAPS, segment=segment, chunk=chunk)
    return BitMap() if row is None else BitMap.deserialize(bytes(row[0]))


async def load_all(tenant: Tenant, segment: int) -> BitMap:
    """Return the members in all chunks of a segment."""
    rows = await tenant.fetch_all(_SELECT_ALL_BITMAPS, segment=segment)
    return BitMap.union(BitMap(), *(BitMap.deserialize(bytes(row[0])) for row in rows))


async def load_each(tenant: Tenant, segments: Collection[int]) -> dict[int, BitMap]:
    """Return the members in all chunks of several segments, by segment; one without chunks is left out."""
    if not segments:
        return {}
    rows = await tenant.fetch_all(_SELECT_EACH, segments=tenant.backend.encode_list(sorted(segments)))
    return await compute_off_loop(tenant, len(rows), partial(_join_chunks, rows))


def _join_chunks(rows: Sequence[Row]) -> dict[int, BitMap]:
    parts: defaultdict[int, list[BitMap]] = defaultdict(list)
    for segment, bitmap in rows:
        parts[segment].append(BitMap.deserialize(bytes(bitmap)))
    return {segment: BitMap.union(*chunks) for segment, chunks in parts.items()}


async def load_rows(tenant: Tenant, segment: int) -> list[tuple[int, int, BitMap]]:
    """Return the stored chunks of a segment, to verify them: chunk number, stored count, and members."""
    rows = await tenant.fetch_all(_SELECT_ROWS, segment=segment)
    return [(chunk, n, BitMap.deserialize(bytes(bits))) for chunk, n, bits in rows]


async def load_some(
    tenant: Tenant, segments: Iterable[int], numbers: Iterable[int]
) -> dict[tuple[int, int], BitMap]:
    """Return the stored ones among some chunks of some segments, by segment and chunk."""
    encode = tenant.backend.encode_list
    rows = await tenant.fetch_all(
        _SELECT_SOME, segments=encode(sorted(segments)), chunks=encode(sorted(numbers))
    )
    return {(row[0], row[1]): BitMap.deserialize(bytes(row[2])) for row in rows}


async def write(tenant: Tenant, new_chunks: Sequence[tuple[int, int, BitMap]]) -> None:
    """Insert or replace chunks, each given as segment, chunk number, and all its members."""
    values = []
    for segment, chunk, members in new_chunks:
        members.run_optimize()
        row = {"segment": segment, "chunk": chunk}
        values.append(row | {"member_count": len(members), "bitmap": members.serialize()})
    await _UPSERT.execute(tenant, values)


async def replace(tenant: Tenant, segment: int, members: BitMap, *, is_new: bool = False) -> None:
    """Replace the stored members of a segment; a new segment has none."""
    if not is_new:
        await tenant.execute(_DELETE_OF_SEGMENT, segment=segment)
    await write(tenant, [(segment, chunk, members & keys_of_chunk(chunk)) for chunk in chunks_of(members)])


def chunk_of(pk: int) -> int:
    """Return the number of the chunk that holds a key."""
    return pk >> CHUNK_BITS
