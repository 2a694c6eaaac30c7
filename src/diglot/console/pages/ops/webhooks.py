"""The list of webhooks, those that vendors send here, and a new webhook with its secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from litestar.types import ASGIApp

from diglot.api.dialect import Dialect
from diglot.api.input.webhooks import select_subscriptions
from diglot.console.answers import Html
from diglot.console.pages.ops.dialects import find_dialect
from diglot.console.pages.ops.hook_form import (
    Choice,
    HookForm,
    check_form,
    list_choices,
    read_form,
    say_events,
)
from diglot.console.visit import Visit
from diglot.dialects.registry import DIALECTS
from diglot.errors import InvalidInput, LimitReached
from diglot.model.webhooks import Webhook, WebhookSource
from diglot.service.webhooks import NewWebhook, generate_secret

WEBHOOKS: Final = "/console/webhooks"
_NOTHING: Final = HookForm("", ())


@dataclass(frozen=True, slots=True)
class ShownWebhook:
    """A webhook with its dialect, and its events in words."""

    webhook: Webhook
    dialect: Dialect
    events: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class ShownSource:
    """Where webhooks of a vendor arrive: the dialect, and the path that the vendor sends to."""

    source: WebhookSource
    dialect: Dialect
    path: str


async def show_list(visit: Visit) -> ASGIApp:
    """Show the webhooks of the workspace, and where those of vendors arrive."""
    shown = [
        ShownWebhook(webhook, dialect, say_events(dialect, webhook.events))
        for dialect in DIALECTS
        for webhook in await visit.services.webhooks.list_all(visit.caller, dialect.name)
    ]
    shown.sort(key=lambda one: -one.webhook.number)
    found = await visit.services.received_webhooks.list_sources(visit.caller)
    sources = [
        ShownSource(source, dialect, f"{dialect.prefix}/webhooks-in/{source.id}")
        for source in found
        for dialect in DIALECTS
        if dialect.name == source.dialect
    ]
    return visit.show("ops/webhooks.html", webhooks=shown, sources=sources, dialects=DIALECTS)


async def show_form(visit: Visit) -> Html:
    """Show the form of a new webhook."""
    return _show_form(visit, find_dialect(visit), _NOTHING, [])


async def create(visit: Visit) -> Html:
    """Create a webhook, and show its secret, which is not shown again."""
    dialect, form = find_dialect(visit), read_form(await visit.read_form())
    try:
        check_form(visit, dialect, form)
        new = NewWebhook(
            dialect=dialect.name,
            url=form.url,
            events=form.events,
            subscriptions=select_subscriptions(dialect.events, form.events),
            secret=form.secret or generate_secret(dialect.secret_prefix),
        )
        made = await visit.services.webhooks.create(visit.caller, new)
    except InvalidInput as error:
        return _show_form(visit, dialect, form, [fault.message for fault in error.faults], status=400)
    except LimitReached as reached:
        return _show_form(visit, dialect, form, [str(reached)], status=409)
    return visit.show("ops/webhook_secret.html", dialect=dialect, webhook=made, is_new=True)


def _show_form(
    visit: Visit, dialect: Dialect, form: HookForm, faults: Sequence[str], status: int = 200
) -> Html:
    choices = list_choices(dialect, form.events)
    return visit.show(
        "ops/webhook_new.html", status=status, dialect=dialect, form=form, choices=choices, faults=faults
    )
