"""Rows of responses that are replayed if a client retries a request with its idempotency key."""

from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from diglot.storage.schema import idempotent_responses
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c = idempotent_responses.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_OF_REQUEST = (
    _IN_WORKSPACE,
    _c.key == bindparam("key"),
    _c.request_name == bindparam("request_name"),
)
_SELECT = Statement(
    select(_c.fingerprint, _c.status, _c.body, _c.created_id, _c.stored_at).where(*_OF_REQUEST)
)
_DELETE = Statement(delete(idempotent_responses).where(*_OF_REQUEST))
_DELETE_OLD = Statement(delete(idempotent_responses).where(_IN_WORKSPACE, _c.stored_at < bindparam("before")))
_FIRST_OLD = Statement(select(_c.stored_at).where(_IN_WORKSPACE, _c.stored_at < bindparam("before")).limit(1))
_INSERT = Statement(insert(idempotent_responses))


# How long an idempotency key is valid.
KEY_TTL_SECONDS: Final = 24 * 60 * 60
# The status of a write in parts that has no response yet; the body is its progress.
IN_PROGRESS: Final = 0


class StoredResponse(msgspec.Struct, frozen=True):
    """A response as it was sent, or the progress of a write in parts that has no response yet.

    `created_id` is the id of the created resource, if a retry needs it.
    """

    fingerprint: str
    status: int
    body: bytes
    created_id: str | None
    stored_at: int

    @property
    def is_in_progress(self) -> bool:
        """Whether the write has no response yet, so that a retry continues it."""
        return self.status == IN_PROGRESS


async def find(tenant: Tenant, key: str, name: str) -> StoredResponse | None:
    """Return the stored response of an API key's request with an idempotency key, or None."""
    row = await tenant.fetch_one(_SELECT, key=key, request_name=name)
    return None if row is None else StoredResponse(row[0], row[1], bytes(row[2]), row[3], row[4])


async def store(tenant: Tenant, key: str, name: str, response: StoredResponse) -> None:
    """Store a response, replacing an older one."""
    request = {"key": key, "request_name": name}
    await tenant.execute(_DELETE, **request)
    await tenant.execute(
        _INSERT,
        **request,
        fingerprint=response.fingerprint,
        status=response.status,
        body=response.body,
        created_id=response.created_id,
        stored_at=response.stored_at,
    )


async def delete_old(tenant: Tenant, before: int) -> None:
    """Delete a workspace's responses stored before an instant."""
    await tenant.execute(_DELETE_OLD, before=before)


async def has_old(tenant: Tenant, before: int) -> bool:
    """Tell whether a workspace has responses stored before an instant."""
    return await tenant.fetch_one(_FIRST_OLD, before=before) is not None
