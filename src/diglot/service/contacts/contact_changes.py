"""Applies a change to a contact, or creates a contact from it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from diglot.conditions.fields import MAX_TAGS, STORED_FIELDS, stricter
from diglot.conditions.text import normalize_name, to_nfc
from diglot.errors import InvalidInput
from diglot.model.contacts import ADDRESS_FIELDS, SUBSCRIBED, UNSUBSCRIBED, Contact, ContactChange

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_DEFAULTS: Final[dict[str, Any]] = {field.name: field.default for field in STORED_FIELDS} | {
    "attributes": "{}"
}
_NO_TAGS: Final = "[]"


def new_contact(change: ContactChange, pk: int, id_: str, now: int) -> Contact:
    """Return a new contact; raise `InvalidInput` for more tags than a contact may have."""
    given = change.values
    values = {**_DEFAULTS, "created_at": now, **given, "pk": pk, "id": id_, "updated_at": now}
    tags = given.get("tags", ())
    if change.added_tags:
        tags = _merge_tags(list(tags), change.added_tags)
    values["tags"] = _encode(tags).decode() if tags else _NO_TAGS
    if change.subscribed is not None:
        values["status"] = _switch_status(values["status"], subscribed=change.subscribed)
    if change.lowered is not None:
        values["status"] = stricter(values["status"], change.lowered)
    if change.attributes:
        attributes = change.attributes
        if None in attributes.values():
            attributes = {key: value for key, value in attributes.items() if value is not None}
        values["attributes"] = _encode(attributes).decode()
    return Contact(**values)


def changed_contact(
    stored: Contact, change: ContactChange, now: int, *, keeps_address: bool = False
) -> Contact:
    """Return the contact after a change, or the same object if nothing differs.

    With `keeps_address` the address in the change is the one by which the contact was found, and the stored
    spelling stays. A stored key that was not in its stored form yet gives way to the key that it means. Raise
    `InvalidInput` for more tags than a contact may have.
    """
    values: dict[str, Any] = dict(change.values)
    if keeps_address:
        for name in ADDRESS_FIELDS:
            values.pop(name, None)
    if change.added_tags:
        values["tags"] = _merge_tags(values.get("tags", _decode(stored.tags)), change.added_tags)
    if "tags" in values:
        values["tags"] = _encode(values["tags"]).decode()
    if change.subscribed is not None:
        values["status"] = _switch_status(stored.status, subscribed=change.subscribed)
    if change.lowered is not None:
        values["status"] = stricter(values.get("status", stored.status), change.lowered)
    if change.attributes:
        values["attributes"] = _encode(_merge_attributes(stored, change.attributes)).decode()
    differing = {name: value for name, value in values.items() if value != getattr(stored, name)}
    return replace(stored, **differing, updated_at=now) if differing else stored


def _merge_attributes(stored: Contact, written: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = _decode(stored.attributes)
    others = [key for key in merged if key not in written]
    for key in others:
        if normalize_name(key) in written:
            del merged[key]
    merged |= written
    if None in written.values():
        return {key: value for key, value in merged.items() if value is not None}
    return merged


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
