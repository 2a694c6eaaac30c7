"""Misar's shapes of keys: snake_case in a list, camelCase in the answer that shows a secret."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.openapi.annotations import Older, Uuid, named
from diglot.api.patterns import RECEIVED
from diglot.dialects.misar.wire import Text, Time

KeyId = Uuid
Scopes = Annotated[
    str, Meta(description="The scopes, with commas between them.", examples=["send,analytics"])
]
ScopeWord = Annotated[str, named("KeyScope")]
Name = Annotated[str, Meta(min_length=1, max_length=80)]
Account = Annotated[
    str, Meta(min_length=1, max_length=100, description="A sending account: kept and shown, nothing is sent.")
]
End = Annotated[
    str,
    Meta(
        description="When the key stops: an instant, or a date, on which it stops as the day begins.",
        max_length=100,
        pattern=RECEIVED,
        examples=["2027-01-01T00:00:00Z"],
    ),
]


class Key(msgspec.Struct, frozen=True):
    """A key, without its secret. One that is revoked or past its end is not active."""

    id: KeyId
    name: str
    key_prefix: str
    scopes: Scopes
    allowed_account_id: Text
    is_active: bool
    last_used_at: Time | None
    created_at: Time
    expires_at: Time | None


class KeyListAnswer(msgspec.Struct, frozen=True):
    """Every key of the workspace, newest first."""

    success: bool
    keys: list[Key]


class KeyAnswer(msgspec.Struct, frozen=True):
    """One key."""

    success: bool
    key: Key


class KeyCreatedAnswer(msgspec.Struct, frozen=True):
    """A new key. `key` is the secret, which is never shown again."""

    success: bool
    key: str
    keyId: KeyId  # noqa: N815
    prefix: str
    name: str
    scopes: Scopes
    createdAt: Time  # noqa: N815
    expiresAt: Time | None  # noqa: N815


class KeyCreate(msgspec.Struct, frozen=True):
    """A new key. Without scopes it has those of the key that asks, and never more. Both casings are read."""

    name: Name
    scopes: Annotated[list[ScopeWord], Meta(min_length=1)] | UnsetType = UNSET
    allowedAccountId: Account | UnsetType | None = UNSET  # noqa: N815
    expiresAt: End | UnsetType | None = UNSET  # noqa: N815
    allowed_account_id: Older[Account] | UnsetType | None = UNSET
    expires_at: Older[End] | UnsetType | None = UNSET


class KeyIdQuery(msgspec.Struct, frozen=True):
    """Which key."""

    id: Annotated[KeyId, Meta(description="The id of the key.")]
