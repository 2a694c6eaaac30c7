"""Retried writes, recognized by their `Idempotency-Key` or, without one, by their content."""

import hashlib
import re
from functools import partial
from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import Endpoint, Handler, respond_whole
from diglot.api.input import request_body
from diglot.api.input.request import find_header
from diglot.api.responses import JsonResponse
from diglot.errors import ContentTooLarge, InvalidInput, UnsupportedMediaType
from diglot.model.ids import parse_id
from diglot.service.access.idempotency import Completed, IdempotentRequest
from diglot.service.parts import Checkpoint
from diglot.storage.sql.engine import Transaction

_HEADER: Final = "Idempotency-Key"
_KEY_PATTERN = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
_REPLAYED_HEADERS: Final = ((b"idempotency-replayed", b"true"),)


class _CreatedData(msgspec.Struct):
    id: str


class _CreatedResponse(msgspec.Struct):
    data: _CreatedData


def applies_to(call: Call) -> bool:
    """Tell whether a call may be a retry of an earlier request."""
    operation = call.operation
    if not operation.accepts_idempotency_key:
        return False
    return operation.deduplicated or find_header(call.request, b"idempotency-key") is not None


async def respond_once(call: Call, endpoint: Endpoint) -> JsonResponse:
    """Answer a call that may be a retry: execute it, or return the stored response."""
    handler = endpoint.handler
    name = find_header(call.request, b"idempotency-key")
    if name is not None and not _KEY_PATTERN.fullmatch(name):
        raise InvalidInput.at((_HEADER,), "An idempotency key has 1 to 255 visible characters")
    if call.operation.body is not None:
        try:
            call.check_headers()
        except (UnsupportedMediaType, ContentTooLarge):
            # The handler reports the invalid body, or the 404 that takes precedence.
            return await respond_whole(call, handler)
    body = await request_body.read_bytes(call.request, call.operation.max_bytes)
    fingerprint = await call.run_in_thread(partial(_compute_fingerprint, call, body), len(body))
    request = IdempotentRequest(call.caller, name, fingerprint)
    if endpoint.read_input is not None:
        call = await call.read_ahead(endpoint.read_input, body)
    run = _run_in_parts if call.operation.in_parts else _run_in_transaction
    done = await run(call, handler, request, body)
    return JsonResponse(done.status, done.body, _REPLAYED_HEADERS if done.is_replay else ())


async def _run_in_transaction(
    call: Call, handler: Handler, request: IdempotentRequest, body: bytes
) -> Completed:
    async def perform(transaction: Transaction) -> Completed:
        first = await respond_whole(call.in_transaction(transaction, body), handler)
        made = (
            parse_id(msgspec.json.decode(first.body, type=_CreatedResponse).data.id)
            if request.idempotency_key is None
            else None
        )
        return Completed(first.status, first.body, made)

    return await call.services.idempotency.run_once(request, perform)


async def _run_in_parts(call: Call, handler: Handler, request: IdempotentRequest, body: bytes) -> Completed:
    async def perform(checkpoint: Checkpoint) -> Completed:
        response = await respond_whole(call.with_checkpoint(checkpoint, body), handler)
        return Completed(response.status, response.body)

    return await call.services.idempotency.run_in_parts(request, perform)


def _compute_fingerprint(call: Call, body: bytes) -> str:
    scope = call.request.scope
    # The same bytes are two different requests if their media types differ.
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
