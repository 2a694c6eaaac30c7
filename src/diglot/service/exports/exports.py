"""Exports of the members of a segment, of the contacts on a list, or of a whole workspace.

The keys of the contacts come from one snapshot, as a bitmap of at most two bits for each contact, so that
the membership is that at one entry of the log. The contacts are read later, page by page and as they are
then, each page in a short snapshot, so that no connection is held while a client reads. A contact that is
deleted meanwhile is left out.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from diglot.clock import Clock, system_clock
from diglot.computations import compute
from diglot.errors import InvalidInput
from diglot.membership import read
from diglot.membership.read import MemberKeys, MembershipQuery
from diglot.model.contacts import Contact
from diglot.model.workspaces import Caller
from diglot.service.audience.lists import members_query, require_list
from diglot.service.audience.member_ids import take_turn
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.exports.columns import (
    ALL_FIELDS,
    ATTRIBUTES,
    LISTS,
    columns_of_keys,
)
from diglot.service.exports.formats import ExportFormat, Writer, open_writer
from diglot.service.unit_of_work import reads
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import exported, queries
from diglot.storage.page_size import PageSize
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace

# Reading so many contacts takes about 5 ms, for which other requests wait on SQLite.
CONTACTS_PER_PAGE: Final = 500
BYTES_PER_PAGE: Final = 1 << 20
ATTRIBUTES_PER_PAGE: Final = 2_000
# As many columns as a file may have that is imported.
MAX_ATTRIBUTES: Final = 1_000 - len(ALL_FIELDS)
_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Audience(msgspec.Struct, frozen=True):
    """The contacts to export: of a segment or of a list by its id, None if that is invalid; or all."""

    kind: str = ""
    id: str | None = None


ALL_CONTACTS: Final = Audience()


def members_of_segment(id_: str | None) -> Audience:
    """Return the members of a segment."""
    return Audience("segment", id_)


def contacts_on_list(id_: str | None) -> Audience:
    """Return the contacts on a list."""
    return Audience("list", id_)


class ExportRequest(msgspec.Struct, frozen=True):
    """What to export; `columns` are checked names, None for all fields and all attributes in use."""

    audience: Audience = ALL_CONTACTS
    format: ExportFormat = ExportFormat.CSV
    columns: tuple[str, ...] | None = None
    escapes_formulas: bool = False


class Members(msgspec.Struct, frozen=True):
    """The members in one snapshot, after an entry of the log; `revision` is that of a segment's rules."""

    keys: MemberKeys
    entry: int
    revision: int | None = None


class Export(msgspec.Struct, frozen=True):
    """An export: its members when it began, and the encoded parts of its file."""

    members: Members
    parts: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Exports:
    """The use cases of exports."""

    engine: Engine
    clock: Clock = system_clock

    async def begin(self, caller: Caller, request: ExportRequest) -> Export:
        """Begin an export; raise `NotFound`, or `InvalidInput` if a file would have too many columns."""
        members = await self._load_members(caller, request.audience)
        columns = request.columns
        if columns is None:
            columns = await self._find_columns(caller.workspace, request.format, members.keys)
        writer = open_writer(request.format, columns, escapes_formulas=request.escapes_formulas)
        parts = self._iterate_parts(caller.workspace, members.keys, writer, with_lists=LISTS in columns)
        return Export(members, parts)

    @reads
    async def _load_members(self, tenant: Tenant, audience: Audience) -> Members:
        if audience.kind == "segment":
            segment, state = await require_segment_with_state(tenant, audience.id)
            query, revision = MembershipQuery.for_segment(segment, self.clock(), state), segment.revision
            return Members(MemberKeys(await read.load_members(tenant, query)), state.last_entry, revision)
        contact_list = None
        if audience.kind == "list":
            contact_list, _ = await require_list(tenant, audience.id)
        state = await workspaces.load_state(tenant)
        if contact_list is None:
            return Members(MemberKeys(await exported.load_all_keys(tenant)), state.last_entry)
        query = members_query(contact_list, self.clock(), state)
        rules = contact_list.segment
        members = MemberKeys(await read.load_members(tenant, query))
        return Members(members, state.last_entry, None if rules is None else rules.revision)

    async def _find_columns(self, workspace: int, format_: ExportFormat, keys: MemberKeys) -> tuple[str, ...]:
        """Return all columns. A line of JSON has its own attributes; for a table all are read first."""
        if format_ is ExportFormat.NDJSON:
            return (*ALL_FIELDS, ATTRIBUTES)
        found: set[str] = set()
        for offset in range(0, len(keys), ATTRIBUTES_PER_PAGE):
            load = partial(exported.load_attributes, keys=keys.newest(offset, ATTRIBUTES_PER_PAGE))
            async with take_turn(self.engine):
                page = await self.engine.read(bind_workspace(workspace, load), workspace=workspace)
            found |= await compute(partial(_keys_of, page))
            if len(found) > MAX_ATTRIBUTES:
                raise InvalidInput.at(
                    ("columns",), f"More than {MAX_ATTRIBUTES} custom attributes are in use: name the columns"
                )
        return columns_of_keys(found)

    async def _iterate_parts(
        self, workspace: int, keys: MemberKeys, writer: Writer, *, with_lists: bool
    ) -> AsyncIterator[bytes]:
        if head := writer.encode_head():
            yield head
        size, offset = PageSize(CONTACTS_PER_PAGE, BYTES_PER_PAGE), 0
        while page_keys := keys.newest(offset, size.rows):
            offset += len(page_keys)
            load = partial(_load_page, keys=page_keys, with_lists=with_lists)
            async with take_turn(self.engine):
                contacts, ids = await self.engine.read(bind_workspace(workspace, load), workspace=workspace)
            part = await compute(partial(writer.encode_rows, contacts, ids))
            size.learn(len(page_keys), len(part))
            # An empty part would end a chunked response.
            if part:
                yield part


def _keys_of(page: Sequence[str]) -> set[str]:
    return {key for attributes in page for key in _decode_keys(attributes)}


async def _load_page(
    tenant: Tenant, keys: Sequence[int], *, with_lists: bool
) -> tuple[list[Contact], dict[int, list[str]]]:
    contacts = await queries.load_contacts(tenant, keys)
    return contacts, await lists.load_ids_of_contacts(tenant, keys) if with_lists else {}
