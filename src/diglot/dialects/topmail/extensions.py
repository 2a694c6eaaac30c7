"""Topmail's format of the calls that Diglot adds. The vendor has no such calls."""

from typing import Final

from diglot.api.extensions.format import ExtensionFormat, Paging, SnapshotFormat
from diglot.dialects.topmail import pagination, wire
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.contacts.show import show_contact
from diglot.dialects.topmail.formatting import format_time
from diglot.dialects.topmail.segments import routes
from diglot.dialects.topmail.segments import wire as segments_wire
from diglot.dialects.topmail.webhooks.received import RECEIVED
from diglot.dialects.topmail.words import DIALECT_NAME, WORDS

EXTENSIONS: Final = ExtensionFormat(
    words=WORDS,
    scope="contacts:read",
    read_scope="contacts:read",
    write_scope="contacts:write",
    envelope={},
    condition_key="conditions",
    condition_noun="conditions",
    type_key="type",
    segment_id=wire.Id,
    time=wire.Time,
    contact=contacts_wire.Contact,
    format_segment_id=str,
    format_time=format_time,
    show_contact=show_contact,
    paging=Paging(
        query=wire.WindowQuery,
        pagination=wire.Pagination,
        to_window=pagination.to_window,
        to_pagination=lambda query, total: pagination.to_pagination(pagination.to_window(query), total),
    ),
    snapshot=SnapshotFormat(
        dialect=DIALECT_NAME,
        body=segments_wire.SegmentSnapshot,
        response=segments_wire.SegmentAnswer,
        show=lambda call, counted: routes.show_segment(call, counted.segment),
    ),
    received=RECEIVED,
    dry_run_body=segments_wire.DryRun,
    read_dry_run=routes.read_dry_run,
)
