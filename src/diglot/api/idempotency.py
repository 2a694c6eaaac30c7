"""Writes that clients send again, by name (`Idempotency-Key`) or without one."""

import hashlib
import re
from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import Handler, respond
from diglot.api.input import request_body
from diglot.api.input.headers import header
from diglot.api.responses import Encoded
from diglot.errors import Invalid, TooLarge, Unsupported
from diglot.model.ids import parse_id
from diglot.service.access.idempotency import Completed, IdempotentRequest
from diglot.storage.sql.engine import Transaction

_HEADER: Final = "Idempotency-Key"
_NAME = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
_REPEATED: Final = ((b"idempotency-replayed", b"true"),)


class _Made(msgspec.Struct):
    id: str


class _Created(msgspec.Struct):
    data: _Made


def may_be(call: Call) -> bool:
    """Tell whether a call may be a repetition of one that was answered already."""
    operation = call.operation
    if not operation.may_be_named:
        return False
    return operation.retried or header(call.request, b"idempotency-key") is not None


async def answer(call: Call, handler: Handler) -> Encoded:
    """Answer a call that may be a repetition."""
    name = header(call.request, b"idempotency-key")
    if name is not None and not _NAME.fullmatch(name):
        raise Invalid.at((_HEADER,), "An idempotency key has 1 to 255 visible characters")
    if call.operation.body is not None:
        try:
            call.refuse_unread()
        except (Unsupported, TooLarge):
            # The handler says so, or that what the path names does not exist.
            return await respond(call, handler)
    body = await request_body.read_bytes(call.request, call.operation.most_bytes)
    request = IdempotentRequest(call.caller, name, _fingerprint(call, body))

    async def perform(transaction: Transaction) -> Completed:
        first = await respond(call.within(transaction, body), handler)
        made = parse_id(msgspec.json.decode(first.body, type=_Created).data.id) if name is None else None
        return Completed(first.status, first.body, made)

    done = await call.services.idempotency.run_once(request, perform)
    return Encoded(done.status, done.body, _REPEATED if done.is_replay else ())


def _fingerprint(call: Call, body: bytes) -> str:
    scope = call.request.scope
    # One body may be two requests: what it says is for its media type to tell.
    media = request_body.media_type(call.request) if body else ""
    digest = hashlib.sha256()
    for part in (
        scope["method"].encode(),
        scope["path"].encode(),
        scope["query_string"],
        media.encode(),
        body,
    ):
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()
