"""Misar's structs for API keys: snake_case in a list, camelCase in the response that shows a secret."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import LegacySpelling, Uuid, also_spelled, checked_by, choice_ref, read_by
from diglot.api.input.query_string import any_text
from diglot.api.patterns import INSTANT
from diglot.conditions import dates
from diglot.dialects.misar.key_format import SCOPES
from diglot.dialects.misar.wire import NullableText, Time

KeyId = Uuid
Scopes = Annotated[str, Meta(description="The scopes, separated by commas.", examples=["send,analytics"])]
ScopeWord = Annotated[str, choice_ref("KeyScope", SCOPES)]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Account = Annotated[
    str, Meta(min_length=1, max_length=100, description="A sending account; stored, but not used.")
]


def _find_end_fault(written: str) -> str | None:
    return "Invalid datetime" if dates.parse_to_microsecond(written) is None else None


End = Annotated[
    str,
    Meta(
        description="When the key expires: an instant, or a date for the beginning of that day.",
        max_length=100,
        pattern=INSTANT,
        examples=["2027-01-01T00:00:00Z"],
    ),
    checked_by(_find_end_fault),
]


class Key(msgspec.Struct, frozen=True):
    """An API key, without its secret. A revoked or expired key is not active."""

    id: KeyId
    name: str
    key_prefix: str
    scopes: Scopes
    allowed_account_id: NullableText
    is_active: bool
    last_used_at: Time | None
    created_at: Time
    expires_at: Time | None


class KeyListAnswer(msgspec.Struct, frozen=True):
    """All API keys of the workspace, newest first."""

    success: bool
    keys: list[Key]


class KeyAnswer(msgspec.Struct, frozen=True):
    """One key."""

    success: bool
    key: Key


class KeyCreatedAnswer(msgspec.Struct, frozen=True):
    """A new API key. `key` is the secret, which is never shown again."""

    success: bool
    key: str
    keyId: KeyId  # noqa: N815
    prefix: str
    name: str
    scopes: Scopes
    createdAt: Time  # noqa: N815
    expiresAt: Time | None  # noqa: N815


class KeyCreate(msgspec.Struct, frozen=True):
    """An API key to create. Its scopes are at most, and by default, those of the calling key."""

    name: Name
    scopes: Annotated[list[ScopeWord], Meta(min_length=1)] | UnsetType = UNSET
    allowedAccountId: Annotated[Account, also_spelled("allowed_account_id")] | UnsetType | None = UNSET  # noqa: N815
    expiresAt: Annotated[End, also_spelled("expires_at")] | UnsetType | None = UNSET  # noqa: N815
    allowed_account_id: LegacySpelling[Account] | UnsetType | None = UNSET
    expires_at: LegacySpelling[End] | UnsetType | None = UNSET


class KeyIdQuery(msgspec.Struct, frozen=True):
    """Which key."""

    id: Annotated[KeyId, Meta(description="The id of the API key."), read_by(any_text)]
