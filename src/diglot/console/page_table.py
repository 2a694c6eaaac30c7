"""The paths of the console, and the handlers of their methods."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from litestar.types import ASGIApp

from diglot.console.mount import SIGN_IN_PATH
from diglot.console.pages import access, counts, explanation, exports, segment, segments
from diglot.console.pages.builder import forms as builder_forms
from diglot.console.pages.builder import live as builder_live
from diglot.console.pages.builder import saving as builder_saving
from diglot.console.pages.imports import job, review, uploads
from diglot.console.pages.ops import keys, operator, webhook, webhooks
from diglot.console.pages.people import activity, contact, contacts, editing, lists, person
from diglot.console.visit import Visit
from diglot.errors import NotFound

Handler = Callable[[Visit], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page or an action: the methods with their handlers. A public one needs no session."""

    pattern: str
    get: Handler | None = None
    post: Handler | None = None
    is_public: bool = False


PAGES: Final = (
    Page("/", get=access.show_home, is_public=True),
    Page("/console", get=segments.show_list),
    Page("/console/assets/{digest}/{name}", get=access.send_asset, is_public=True),
    Page("/console/setup", get=access.show_setup, post=access.set_up, is_public=True),
    Page("/console/enter", get=access.show_entry, post=access.enter, is_public=True),
    Page(SIGN_IN_PATH, get=access.show_sign_in, post=access.sign_in, is_public=True),
    Page("/console/sign-out", post=access.sign_out),
    Page("/console/contacts", get=contacts.show_list),
    Page("/console/contacts/search", get=contacts.search_names),
    Page("/console/contacts/new", get=editing.show_new, post=editing.create),
    Page("/console/contacts/{id}", get=contact.show),
    Page("/console/contacts/{id}/segments", get=contact.show_segments),
    Page("/console/contacts/{id}/segments-then", get=contact.show_segments_then),
    Page("/console/contacts/{id}/other-segments", get=contact.find_segments),
    Page("/console/contacts/{id}/events", get=contact.show_events),
    Page("/console/contacts/{id}/lists", get=lists.show, post=lists.join),
    Page("/console/contacts/{id}/lists/leave", post=lists.leave),
    Page("/console/contacts/{id}/edit", get=editing.show_edit, post=editing.save),
    Page("/console/contacts/{id}/delete", post=editing.delete),
    Page("/console/person", get=person.show),
    Page("/console/person/export.json", get=person.export),
    Page("/console/person/erase", post=person.erase),
    Page("/console/activity", get=activity.show),
    Page("/console/activity/changes", get=activity.show_changes),
    Page("/console/export", get=exports.show),
    Page("/console/export/contacts", get=exports.send),
    Page("/console/imports", get=uploads.show_list, post=uploads.upload),
    Page("/console/imports/rows", get=uploads.show_rows),
    Page("/console/imports/{id}", get=job.show),
    Page("/console/imports/{id}/columns", post=review.save),
    Page("/console/imports/{id}/begin", post=job.begin),
    Page("/console/imports/{id}/cancel", post=job.cancel),
    Page("/console/imports/{id}/progress", get=job.show_progress),
    Page("/console/imports/{id}/rejected.csv", get=job.send_rejects),
    Page("/console/segments/counts", get=counts.show_counts),
    Page("/console/segments/new", get=builder_forms.show_new, post=builder_saving.create),
    Page("/console/segments/build", post=builder_forms.rebuild),
    Page("/console/segments/build/check", post=builder_live.check),
    Page("/console/segments/build/counts", post=builder_live.count),
    Page("/console/segments/{id}/edit", get=builder_forms.show_edit, post=builder_saving.update),
    Page("/console/segments/{id}", get=segment.show),
    Page("/console/segments/{id}/sparkline", get=counts.show_sparkline),
    Page("/console/segments/{id}/count", get=counts.show_count),
    Page("/console/segments/{id}/history", get=segment.show_history),
    Page("/console/segments/{id}/members", get=segment.show_members),
    Page("/console/segments/{id}/explain", get=explanation.explain),
    Page("/console/segments/{id}/export.csv", get=segment.export),
    Page("/console/segments/{id}/delete", post=segment.delete),
    Page("/console/keys", get=keys.show_list),
    Page("/console/keys/new/{dialect}", get=keys.show_form, post=keys.create),
    Page("/console/keys/{dialect}/{id}/revoke", post=keys.revoke),
    Page("/console/webhooks", get=webhooks.show_list),
    Page("/console/webhooks/new/{dialect}", get=webhooks.show_form, post=webhooks.create),
    Page("/console/webhooks/{dialect}/{id}", get=webhook.show, post=webhook.update),
    Page("/console/webhooks/{dialect}/{id}/state", get=webhook.show_state),
    Page("/console/webhooks/{dialect}/{id}/deliveries", get=webhook.show_deliveries),
    Page("/console/webhooks/{dialect}/{id}/pause", post=webhook.pause),
    Page("/console/webhooks/{dialect}/{id}/resume", post=webhook.resume),
    Page("/console/webhooks/{dialect}/{id}/secret", post=webhook.replace_secret),
    Page("/console/webhooks/{dialect}/{id}/test", post=webhook.send_test),
    Page("/console/webhooks/{dialect}/{id}/delete", post=webhook.delete),
    Page("/console/operator", get=operator.show),
    Page("/console/operator/figures", get=operator.show_figures),
)


def find_page(path: str) -> tuple[Page, Mapping[str, str]]:
    """Return the page of a path with the parameters of the path; raise `NotFound`."""
    parts = path.strip("/").split("/")
    for page, shape in _list_shapes():
        if len(shape) == len(parts) and all(
            want.startswith("{") or want == part for want, part in zip(shape, parts, strict=True)
        ):
            named = zip(shape, parts, strict=True)
            return page, {want[1:-1]: part for want, part in named if want.startswith("{")}
    raise NotFound("page")


@cache
def _list_shapes() -> list[tuple[Page, list[str]]]:
    return [(page, page.pattern.strip("/").split("/")) for page in PAGES]
