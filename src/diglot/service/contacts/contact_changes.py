"""Applies a change to a contact, or creates a contact from it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from diglot.conditions.fields import MAX_TAGS, STORED_FIELDS, stricter
from diglot.conditions.text import normalize_name, to_nfc
from diglot.errors import InvalidInput
from diglot.model.contacts import SUBSCRIBED, UNSUBSCRIBED, Contact, ContactChange
from diglot.model.ids import new_id

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_DEFAULTS: Final[dict[str, Any]] = {field.name: field.default for field in STORED_FIELDS} | {
    "attributes": "{}"
}


def new_contact(change: ContactChange, pk: int, now: int) -> Contact:
    """Return a new contact; raise `InvalidInput` for more tags than a contact may have."""
    values = {"created_at": now, **change.values, "pk": pk, "id": new_id(), "updated_at": now}
    tags = values.get("tags", ())
    if change.added_tags:
        tags = _merge_tags(list(tags), change.added_tags)
    if tags:
        values["tags"] = _encode(tags).decode()
    else:
        values.pop("tags", None)
    status = values.get("status", SUBSCRIBED)
    if change.subscribed is not None:
        status = _switch_status(status, subscribed=change.subscribed)
    if change.lowered is not None:
        status = stricter(status, change.lowered)
    values["status"] = status
    if change.attributes:
        attributes = change.attributes
        if None in attributes.values():
            attributes = {key: value for key, value in attributes.items() if value is not None}
        values["attributes"] = _encode(attributes).decode()
    return Contact(**(_DEFAULTS | values))


def changed_contact(stored: Contact, change: ContactChange, now: int) -> Contact:
    """Return the contact after a change, or the same object if nothing differs.

    A stored key that was not in its stored form yet gives way to the key that it means. Raise `InvalidInput`
    for more tags than a contact may have.
    """
    values: dict[str, Any] = dict(change.values)
    if change.added_tags:
        values["tags"] = _merge_tags(values.get("tags", _decode(stored.tags)), change.added_tags)
    if "tags" in values:
        values["tags"] = _encode(values["tags"]).decode()
    if change.subscribed is not None:
        values["status"] = _switch_status(stored.status, subscribed=change.subscribed)
    if change.lowered is not None:
        values["status"] = stricter(values.get("status", stored.status), change.lowered)
    if change.attributes:
        written = change.attributes
        kept = {key: value for key, value in _decode(stored.attributes).items() if _is_kept(key, written)}
        attributes = {key: value for key, value in (kept | written).items() if value is not None}
        values["attributes"] = _encode(attributes).decode()
    differing = {name: value for name, value in values.items() if value != getattr(stored, name)}
    return replace(stored, **differing, updated_at=now) if differing else stored


def _is_kept(key: str, written: Mapping[str, Any]) -> bool:
    return key in written or normalize_name(key) not in written


def _switch_status(status: str, *, subscribed: bool) -> str:
    """Return the status after a change of `subscribed`, which keeps those of other reasons."""
    if subscribed:
        return SUBSCRIBED if status == UNSUBSCRIBED else status
    return UNSUBSCRIBED if status == SUBSCRIBED else status


def _merge_tags(own: list[str], more: Iterable[str]) -> list[str]:
    by_normal_form: dict[str, str] = {}
    for tag in (*own, *more):
        by_normal_form.setdefault(to_nfc(tag), tag)
    if len(by_normal_form) > MAX_TAGS:
        raise InvalidInput.at(("tags",), f"A contact has at most {MAX_TAGS} tags")
    return list(by_normal_form.values())
