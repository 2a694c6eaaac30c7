"""Keys in Misar's shapes."""

from diglot.api.formatting import in_seconds
from diglot.dialects.misar.formatting import time
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.model.workspaces import ApiKey


def key(one: ApiKey, now: int) -> keys_wire.Key:
    """Show a key without its secret."""
    return keys_wire.Key(
        id=one.id,
        name=one.name or "",
        key_prefix=one.prefix,
        scopes=",".join(one.scopes),
        allowed_account_id=one.account,
        is_active=one.is_valid_at(now),
        last_used_at=in_seconds(one.last_used_at),
        created_at=time(one.created_at),
        expires_at=in_seconds(one.expires_at),
    )


def created_key(one: ApiKey, secret: str) -> keys_wire.KeyCreatedAnswer:
    """Show a new key with its secret."""
    return keys_wire.KeyCreatedAnswer(
        success=True,
        key=secret,
        keyId=one.id,
        prefix=one.prefix,
        name=one.name or "",
        scopes=",".join(one.scopes),
        createdAt=time(one.created_at),
        expiresAt=in_seconds(one.expires_at),
    )
