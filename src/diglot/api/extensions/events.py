"""Events read back: a list with filters, and single events, in every dialect."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Uuid, free_form_schema, schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.format import ExtensionFormat, define_struct
from diglot.api.extensions.time_range import instant_parameter, to_instant
from diglot.api.operation import Operation
from diglot.conditions import text
from diglot.model.events import EventFilter, RecordedEvent, read_client_id, show_properties
from diglot.model.ids import parse_id

_TAG: Final = "contacts"
SCHEMAS: Final[dict[str, Any]] = {
    "EventProperties": free_form_schema(
        "The properties as they were sent. Those of a conversion or a purchase also have its `revenue` and "
        "`currency`."
    )
}


_ContactId = Annotated[
    str, Meta(min_length=1, description="Only events of this contact; an invalid id has none.")
]
_Name = Annotated[str, Meta(min_length=1, description="Only events of this name, which may hold dots.")]
_Since: Any = instant_parameter(
    "Only events that happened at this instant or later. Without an offset, it is in the workspace's time "
    "zone."
)
_Before: Any = instant_parameter("Only events that happened earlier than this instant.")


def build_endpoints(form: ExtensionFormat) -> tuple[Endpoint, Endpoint]:
    """Return the endpoints of a dialect that list events and get one."""
    answer = _Answer(form)
    listing = Operation(
        "listEvents",
        "GET",
        "/events",
        _TAG,
        "List what contacts did, in the order in which the events arrived, newest first (an extension)",
        scope=form.read_scope,
        query=answer.query,
        response=answer.list_struct,
        extension=True,
    )
    getting = Operation(
        "getEvent",
        "GET",
        "/events/{event_id:str}",
        _TAG,
        "Get an event with its properties (an extension)",
        scope=form.read_scope,
        response=answer.struct,
        extension=True,
    )
    return Endpoint(listing, answer.list_page), Endpoint(getting, answer.get)


def _define_event(form: ExtensionFormat) -> type[msgspec.Struct]:
    return define_struct(
        "ContactEvent",
        "Something that a contact did.\n\n`event_id` is the id that the client gave to the event, and "
        "`order_id` that of the order that it reports; null without one.",
        [
            ("id", Uuid),
            ("name", str),
            ("contact_id", Uuid),
            ("email", str),
            ("event_id", str | None),
            ("order_id", str | None),
            ("campaign_id", str | None),
            ("properties", Annotated[msgspec.Raw, schema_ref("EventProperties")]),
            ("occurred_at", form.time),
            ("created_at", form.time),
        ],
    )


class _Answer:
    """Renders events in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        fields: list[Any] = [
            ("contact_id", _ContactId | UnsetType, UNSET),
            ("name", _Name | UnsetType, UNSET),
            ("since", _Since | UnsetType, UNSET),
            ("before", _Before | UnsetType, UNSET),
        ]
        pages = form.paging.query
        self.query: Any = msgspec.defstruct(
            "EventQuery", fields, bases=(pages,), frozen=True, kw_only=True, module=__name__
        )
        self._event = _define_event(form)
        event: Any = self._event
        self.struct = form.define_answer("ContactEventAnswer", "An event of a contact.", event)
        self.list_struct = form.define_answer(
            "ContactEventsAnswer",
            "Events of contacts.",
            list[event],
            ("pagination", form.paging.pagination),
        )

    async def list_page(self, call: Call) -> msgspec.Struct:
        query = call.read_query(self.query, "contact_id", "name", "since", "before")
        window = self._form.paging.to_window(query)
        wanted = EventFilter(
            None if query.contact_id is UNSET else parse_id(query.contact_id) or "",
            None if query.name is UNSET else text.to_nfc(query.name),
            to_instant(query.since, call.caller.zone),
            to_instant(query.before, call.caller.zone),
        )
        page = await call.services.events.list_page(call.caller, wanted, window)
        pagination = self._form.paging.to_pagination(query, page.total)
        data = [self._show(one) for one in page.items]
        return self.list_struct(**self._form.envelope, data=data, pagination=pagination)

    async def get(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["event_id"])
        found = await call.services.events.get(call.caller, id_)
        return self.struct(**self._form.envelope, data=self._show(found))

    def _show(self, recorded: RecordedEvent) -> msgspec.Struct:
        event = recorded.event
        members = {
            "id": event.id,
            "name": event.name,
            "contact_id": recorded.contact_id,
            "email": recorded.email,
            "event_id": read_client_id(event.source_id),
            "order_id": event.order_id,
            "campaign_id": event.campaign_id,
            "properties": show_properties(event),
            "occurred_at": self._form.format_time(event.happened_at),
            "created_at": self._form.format_time(event.created_at),
        }
        return self._event(**members)
