"""The form of a webhook: its address, its events, and the words for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diglot.api.dialect import Dialect
from diglot.console.forms import Form
from diglot.console.visit import Visit
from diglot.errors import Fault, InvalidInput
from diglot.model.webhooks import WebhookEventType

MAX_SECRET: Final = 256
EVENT_WORDS: Final[Mapping[WebhookEventType, str]] = {
    WebhookEventType.CONTACT_CREATED: "A contact is created",
    WebhookEventType.CONTACT_UPDATED: "A contact is changed",
    WebhookEventType.CONTACT_SUBSCRIBED: "A contact subscribes",
    WebhookEventType.CONTACT_UNSUBSCRIBED: "A contact unsubscribes",
    WebhookEventType.LIST_JOINED: "A contact is added to a list",
    WebhookEventType.LIST_LEFT: "A contact leaves a list",
    WebhookEventType.CONVERTED: "A contact buys or converts",
    WebhookEventType.SEGMENT_ENTERED: "A contact enters a segment",
    WebhookEventType.SEGMENT_LEFT: "A contact leaves a segment",
    WebhookEventType.LIST_CHANGED: "Many contacts join or leave a list",
    WebhookEventType.SEGMENT_CHANGED: "Many contacts enter or leave a segment",
    WebhookEventType.TESTED: "A test",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An event that a webhook may subscribe to: its name in the dialect, and in words."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class HookForm:
    """What a form says: the address, the names of the events, and a secret, which may be empty."""

    url: str
    events: tuple[str, ...]
    secret: str = ""


def list_choices(dialect: Dialect, chosen: Sequence[str] = ()) -> list[Choice]:
    """Return the events that happen here, and those that a webhook has though they never happen here."""
    return [
        Choice(name, "Only the vendor sends this" if event is None else EVENT_WORDS[event])
        for name, event in dialect.events.items()
        if event is not None or name in chosen
    ]


def say_events(dialect: Dialect, names: Sequence[str]) -> list[Choice]:
    """Return the events of a webhook in words."""
    return [choice for choice in list_choices(dialect, names) if choice.name in names]


def read_form(form: Form) -> HookForm:
    """Return what a form says, unchecked."""
    events = dict.fromkeys(value for name, value in form.pairs if name == "event")
    return HookForm(form.get("url").strip(), tuple(events), form.get("secret").strip())


def check_form(visit: Visit, dialect: Dialect, form: HookForm) -> None:
    """Raise `InvalidInput` with all faults of a form."""
    faults = []
    if url_fault := visit.services.webhooks.find_url_fault(form.url):
        faults.append(Fault(("url",), f"The address: {url_fault}"))
    known = [name for name in form.events if name in dialect.events]
    if not known or len(known) < len(form.events):
        faults.append(Fault(("events",), "Choose at least one event."))
    if dialect.max_events is not None and len(known) > dialect.max_events:
        faults.append(Fault(("events",), f"A webhook of {dialect.title} has one event."))
    if len(form.secret) > MAX_SECRET:
        faults.append(Fault(("secret",), f"A secret has at most {MAX_SECRET} characters."))
    if faults:
        raise InvalidInput(faults)
