"""Converts API keys to Misar's structs."""

from diglot.api.formatting import format_seconds
from diglot.dialects.misar.formatting import format_time
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.model.workspaces import ApiKey


def show_key(key: ApiKey, now: int) -> keys_wire.Key:
    """Show a key without its secret."""
    return keys_wire.Key(
        id=key.id,
        name=key.name or "",
        key_prefix=key.prefix,
        scopes=",".join(key.scopes),
        allowed_account_id=key.account,
        is_active=key.is_valid_at(now),
        last_used_at=format_seconds(key.last_used_at),
        created_at=format_time(key.created_at),
        expires_at=format_seconds(key.expires_at),
    )


def show_created_key(key: ApiKey, secret: str) -> keys_wire.KeyCreatedAnswer:
    """Show a new key with its secret."""
    return keys_wire.KeyCreatedAnswer(
        success=True,
        key=secret,
        keyId=key.id,
        prefix=key.prefix,
        name=key.name or "",
        scopes=",".join(key.scopes),
        createdAt=format_time(key.created_at),
        expiresAt=format_seconds(key.expires_at),
    )
