"""The segments of a contact: which contain it, and since when."""

from typing import Any

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.as_of import add_entry_header
from diglot.api.extensions.format import ExtensionFormat, SegmentTypeWord, define_struct
from diglot.api.operation import Operation
from diglot.model.ids import parse_id
from diglot.model.membership_changes import Cause
from diglot.service.audience.analysis.contact_segments import Membership


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the endpoint of a dialect that lists the segments of a contact."""
    answer = _Answer(form)
    operation = Operation(
        "listContactSegments",
        "GET",
        "/contacts/{contact_id:str}/segments",
        "contacts",
        "List the segments that contain a contact now, and since when, newest segment first (an extension)",
        scope=form.scope,
        query=form.paging.query,
        response=answer.struct,
        lists_members=True,
        extension=True,
    )
    return Endpoint(operation, answer.list_page)


class _Answer:
    """Renders the segments of a contact in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        self._segment = define_struct(
            "ContactSegment",
            "A segment that contains the contact.\n\n`entered_at` and `cause` say when and why the contact "
            "entered. They are null if the history does not go back that far, or if too much has happened "
            "since.",
            [
                ("id", form.segment_id),
                ("name", str),
                (form.type_key, SegmentTypeWord),
                ("entered_at", form.time | None),
                ("cause", Cause | None),
            ],
        )
        segment: Any = self._segment
        self.struct = form.define_answer(
            "ContactSegmentsAnswer",
            "The segments of a contact. Dynamic lists are left out.",
            list[segment],
            ("pagination", form.paging.pagination),
        )

    async def list_page(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["contact_id"])
        async with call.not_found_first(lambda: call.services.contacts.get(call.caller, id_)):
            query = call.read_query(self._form.paging.query)
        window = self._form.paging.to_window(query)
        page = await call.services.contact_segments.list_page(call.caller, id_, window)
        add_entry_header(call, page.entry)
        data = [self._show(one) for one in page.items]
        pagination = self._form.paging.to_pagination(query, page.total)
        return self.struct(**self._form.envelope, data=data, pagination=pagination)

    def _show(self, one: Membership) -> msgspec.Struct:
        form, entry = self._form, one.entry_origin
        members = {
            "id": form.format_segment_id(one.segment.id),
            "name": one.segment.name,
            form.type_key: one.segment.type.value,
            "entered_at": entry and form.format_time(entry.at),
            "cause": entry and entry.cause,
        }
        return self._segment(**members)
