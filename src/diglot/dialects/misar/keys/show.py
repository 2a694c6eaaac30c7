"""Converts API keys to Misar's structs."""

from diglot.api.formatting import format_seconds
from diglot.dialects.misar.formatting import format_time
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.model.workspaces import ApiKey


def show_key(one: ApiKey, now: int) -> keys_wire.Key:
    """Show a key without its secret."""
    return keys_wire.Key(
        id=one.id,
        name=one.name or "",
        key_prefix=one.prefix,
        scopes=",".join(one.scopes),
        allowed_account_id=one.account,
        is_active=one.is_valid_at(now),
        last_used_at=format_seconds(one.last_used_at),
        created_at=format_time(one.created_at),
        expires_at=format_seconds(one.expires_at),
    )


def show_created_key(one: ApiKey, secret: str) -> keys_wire.KeyCreatedAnswer:
    """Show a new key with its secret."""
    return keys_wire.KeyCreatedAnswer(
        success=True,
        key=secret,
        keyId=one.id,
        prefix=one.prefix,
        name=one.name or "",
        scopes=",".join(one.scopes),
        createdAt=format_time(one.created_at),
        expiresAt=format_seconds(one.expires_at),
    )
