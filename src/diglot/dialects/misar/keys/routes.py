"""Calls on API keys. The vendor's pages describe them for sessions; its client sends an API key."""

from typing import Final

from msgspec import UNSET, UnsetType

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.conditions import dates
from diglot.dialects.misar import wire
from diglot.dialects.misar.key_format import KEY_FORMAT
from diglot.dialects.misar.keys import show as keys_show
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.model.ids import parse_id
from diglot.model.workspaces import KeyOptions

_TAG: Final = "keys"
_KEY_PATH: Final = "/keys/{key_id:str}"


@handles(
    Operation(
        "listKeys",
        "GET",
        "/keys",
        _TAG,
        "List the API keys of the workspace, newest first, including revoked keys",
        scope="read",
        response=keys_wire.KeyListAnswer,
    )
)
async def list_keys(call: Call) -> keys_wire.KeyListAnswer:
    now = call.services.keys.clock()
    keys = await call.services.client_keys.list_all(call.caller, KEY_FORMAT)
    return keys_wire.KeyListAnswer(success=True, keys=[keys_show.show_key(key, now) for key in keys])


@handles(
    Operation(
        "createKey",
        "POST",
        "/keys",
        _TAG,
        "Create an API key with at most the permissions of the calling key; its secret is shown once",
        scope="write",
        status=201,
        body=keys_wire.KeyCreate,
        response=keys_wire.KeyCreatedAnswer,
        returns_secret=True,
    )
)
async def create_key(call: Call) -> keys_wire.KeyCreatedAnswer:
    reader = BodyReader(await call.read_object())
    body = reader.read(keys_wire.KeyCreate)
    end = _read_end(call, reader, body.expiresAt)
    reader.raise_faults()
    account, scopes = body.allowedAccountId, body.scopes
    options = KeyOptions(body.name, None if account is UNSET else account, end)
    wanted = () if scopes is UNSET else tuple(scopes)
    secret, key = await call.services.client_keys.create(call.caller, KEY_FORMAT, wanted, options)
    return keys_show.show_created_key(key, secret)


def _read_end(call: Call, reader: BodyReader, written: str | UnsetType | None) -> int | None:
    parsed = dates.parse_to_microsecond(written) if isinstance(written, str) else None
    if parsed is None:
        return None
    end = parsed.to_instant(call.caller.zone)
    if end <= call.services.keys.clock():
        reader.add_fault((reader.key_of("expiresAt"),), "The end of a key lies in the future")
    return end


@handles(
    Operation(
        "getKey",
        "GET",
        _KEY_PATH,
        _TAG,
        "Get an API key, without its secret",
        scope="read",
        response=keys_wire.KeyAnswer,
    )
)
async def get_key(call: Call) -> keys_wire.KeyAnswer:
    now = call.services.keys.clock()
    key = await call.services.client_keys.get(
        call.caller, KEY_FORMAT, parse_id(call.path_parameters["key_id"])
    )
    return keys_wire.KeyAnswer(success=True, key=keys_show.show_key(key, now))


@handles(
    Operation(
        "revokeKeyByQuery",
        "DELETE",
        "/keys",
        _TAG,
        "Revoke the API key named in the query; it stays listed",
        scope="write",
        query=keys_wire.KeyIdQuery,
        response=wire.Success,
    )
)
async def revoke_key_by_query(call: Call) -> wire.Success:
    return await _revoke_by_id(call, call.read_query(keys_wire.KeyIdQuery).id)


@handles(
    Operation(
        "revokeKey",
        "DELETE",
        _KEY_PATH,
        _TAG,
        "Revoke an API key, which may be the calling key; it stays listed",
        scope="write",
        response=wire.Success,
    )
)
async def revoke_key(call: Call) -> wire.Success:
    return await _revoke_by_id(call, call.path_parameters["key_id"])


async def _revoke_by_id(call: Call, key_id: str) -> wire.Success:
    await call.services.client_keys.revoke(call.caller, KEY_FORMAT, parse_id(key_id))
    return wire.Success(success=True)


ENDPOINTS: Final = (list_keys, create_key, get_key, revoke_key_by_query, revoke_key)
