"""One webhook: its address and events, its secret, and what became of its deliveries."""

from collections.abc import Sequence
from typing import Final

from litestar.types import ASGIApp

from diglot.api.input.webhooks import select_subscriptions
from diglot.console.answers import Html, Redirect
from diglot.console.pages.ops.dialects import find_dialect
from diglot.console.pages.ops.hook_form import EVENT_WORDS, HookForm, check_form, list_choices, read_form
from diglot.console.pages.ops.webhooks import WEBHOOKS
from diglot.console.visit import Visit
from diglot.errors import InvalidInput
from diglot.model.ids import parse_id
from diglot.model.webhooks import Webhook
from diglot.service.webhooks import MAX_LISTED_DELIVERIES, WebhookPatch, generate_secret

_NO_FAULTS: Final[Sequence[str]] = ()


async def show(visit: Visit) -> Html:
    """Show a webhook; its deliveries arrive after the page."""
    webhook = await _find(visit)
    return _show(visit, webhook, HookForm(webhook.url, webhook.events))


async def update(visit: Visit) -> ASGIApp:
    """Change the address and the events."""
    dialect, form = find_dialect(visit), read_form(await visit.read_form())
    webhook = await _find(visit)
    try:
        check_form(visit, dialect, form)
    except InvalidInput as error:
        return _show(visit, webhook, form, [fault.message for fault in error.faults], status=400)
    subscriptions = select_subscriptions(dialect.events, form.events)
    change = WebhookPatch(url=form.url, events=form.events, subscriptions=subscriptions)
    return await _change(visit, change)


async def pause(visit: Visit) -> Redirect:
    """Send nothing any more, and give up what waits."""
    return await _change(visit, WebhookPatch(active=False))


async def resume(visit: Visit) -> Redirect:
    """Send the events that happen from now on."""
    return await _change(visit, WebhookPatch(active=True))


async def replace_secret(visit: Visit) -> Html:
    """Sign with a new secret from now on, and show it, once."""
    dialect = find_dialect(visit)
    change = WebhookPatch(secret=generate_secret(dialect.secret_prefix))
    changed = await visit.services.webhooks.update(visit.caller, dialect.name, _read_id(visit), change)
    return visit.show("ops/webhook_secret.html", dialect=dialect, webhook=changed, is_new=False)


async def send_test(visit: Visit) -> Redirect:
    """Send a test event, also to a webhook that is paused."""
    await visit.services.webhooks.enqueue_test(visit.caller, find_dialect(visit).name, _read_id(visit))
    return Redirect(f"{_path_of(visit)}#deliveries-title")


async def delete(visit: Visit) -> Redirect:
    """Delete a webhook with its deliveries."""
    await visit.services.webhooks.delete(visit.caller, find_dialect(visit).name, _read_id(visit))
    return Redirect(WEBHOOKS)


async def show_deliveries(visit: Visit) -> Html:
    """Show the last deliveries."""
    name, id_ = find_dialect(visit).name, _read_id(visit)
    found = await visit.services.webhooks.list_deliveries(visit.caller, name, id_)
    return visit.show("ops/deliveries.html", deliveries=found, words=EVENT_WORDS, most=MAX_LISTED_DELIVERIES)


async def show_state(visit: Visit) -> Html:
    """Show what became of the last delivery."""
    name, id_ = find_dialect(visit).name, _read_id(visit)
    found = await visit.services.webhooks.list_deliveries(visit.caller, name, id_)
    return visit.show("ops/delivery_state.html", delivery=found[0] if found else None)


async def _find(visit: Visit) -> Webhook:
    return await visit.services.webhooks.get(visit.caller, find_dialect(visit).name, _read_id(visit))


async def _change(visit: Visit, change: WebhookPatch) -> Redirect:
    name = find_dialect(visit).name
    await visit.services.webhooks.update(visit.caller, name, _read_id(visit), change)
    return Redirect(_path_of(visit))


def _read_id(visit: Visit) -> str | None:
    return parse_id(visit.parameters["id"])


def _path_of(visit: Visit) -> str:
    return f"{WEBHOOKS}/{find_dialect(visit).name}/{_read_id(visit)}"


def _show(
    visit: Visit, webhook: Webhook, form: HookForm, faults: Sequence[str] = _NO_FAULTS, status: int = 200
) -> Html:
    dialect = find_dialect(visit)
    choices = list_choices(dialect, (*webhook.events, *form.events))
    return visit.show(
        "ops/webhook.html",
        status=status,
        dialect=dialect,
        webhook=webhook,
        form=form,
        choices=choices,
        faults=faults,
    )
