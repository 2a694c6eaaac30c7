"""Misar's format of the calls that Diglot adds. The vendor has no such calls."""

from typing import Final

from diglot.api.extensions.format import ExtensionFormat, Paging, SnapshotFormat
from diglot.dialects.misar import pagination, wire
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.dialects.misar.contacts.show import show_contact
from diglot.dialects.misar.formatting import format_time
from diglot.dialects.misar.segments import calls, routes
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.webhooks.received import RECEIVED
from diglot.dialects.misar.words import DIALECT_NAME, WORDS
from diglot.model.ids import format_prefixed_id

EXTENSIONS: Final = ExtensionFormat(
    words=WORDS,
    scope="read",
    read_scope="read",
    write_scope="write",
    envelope={"success": True},
    condition_key=calls.CRITERIA_KEY,
    condition_noun="rules",
    type_key="segment_type",
    segment_id=segments_wire.SegmentId,
    time=wire.Time,
    contact=contacts_wire.Contact,
    format_segment_id=format_prefixed_id,
    format_time=format_time,
    show_contact=show_contact,
    paging=Paging(
        query=wire.PageQuery,
        pagination=wire.Pagination,
        to_window=lambda query: pagination.PageRequest(query.page, query.limit).window,
        to_pagination=lambda query, total: pagination.PageRequest(query.page, query.limit).to_pagination(
            total
        ),
    ),
    snapshot=SnapshotFormat(
        dialect=DIALECT_NAME,
        body=segments_wire.SegmentSnapshot,
        response=segments_wire.SegmentAnswer,
        show=routes.show_segment,
    ),
    received=RECEIVED,
    dry_run_body=segments_wire.DryRun,
    read_dry_run=calls.read_dry_run,
)
