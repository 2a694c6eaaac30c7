"""Keys of the caller's workspace: for sessions on the vendor's pages, for keys in its client."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.input.body_reader import Missing, Reader
from diglot.api.operation import Operation
from diglot.conditions import dates
from diglot.dialects.misar import wire
from diglot.dialects.misar.key_format import KEYS, SCOPES
from diglot.dialects.misar.keys import show as keys_show
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.errors import Invalid
from diglot.model.ids import parse_id
from diglot.model.workspaces import KeyOptions

_TAG: Final = "keys"
_ONE: Final = "/keys/{key_id:str}"
_LONGEST_NAME: Final = 80
_LONGEST_ACCOUNT: Final = 100
_LONGEST_TIME: Final = 100


@handles(
    Operation(
        "listKeys",
        "GET",
        "/keys",
        _TAG,
        "List the keys of the workspace, newest first, revoked ones included",
        scope="read",
        answer=keys_wire.KeyListAnswer,
    )
)
async def list_keys(call: Call) -> keys_wire.KeyListAnswer:
    now = call.services.keys.clock()
    found = await call.services.client_keys.list_all(call.caller, KEYS)
    return keys_wire.KeyListAnswer(success=True, keys=[keys_show.key(one, now) for one in found])


@handles(
    Operation(
        "createKey",
        "POST",
        "/keys",
        _TAG,
        "Make a key that may do no more than the one that asks; its secret is shown once",
        scope="write",
        status=201,
        body=keys_wire.KeyCreate,
        answer=keys_wire.KeyCreatedAnswer,
        secret=True,
    )
)
async def create_key(call: Call) -> keys_wire.KeyCreatedAnswer:
    reader = Reader(await call.members())
    reader.required("name")
    name = reader.name("name", _LONGEST_NAME)
    scopes = reader.choices("scopes", SCOPES)
    account = reader.name_or_null(reader.spelled("allowedAccountId", "allowed_account_id"), _LONGEST_ACCOUNT)
    end = _end(call, reader, reader.spelled("expiresAt", "expires_at"))
    reader.finish()
    assert not isinstance(name, Missing)
    terms = KeyOptions(name, None if isinstance(account, Missing) else account, end)
    wanted = () if isinstance(scopes, Missing) else scopes
    secret, key = await call.services.client_keys.create(call.caller, KEYS, wanted, terms)
    return keys_show.created_key(key, secret)


def _end(call: Call, reader: Reader, spelling: str) -> int | None:
    text = reader.text_or_null(spelling, _LONGEST_TIME)
    if text is None or isinstance(text, Missing):
        return None
    written = dates.parse_to_microsecond(text)
    if written is None:
        reader.fault((spelling,), "Invalid datetime")
        return None
    end = written.to_instant(call.caller.zone)
    if end <= call.services.keys.clock():
        reader.fault((spelling,), "The end of a key lies in the future")
    return end


@handles(
    Operation(
        "getKey",
        "GET",
        _ONE,
        _TAG,
        "Get a key, without its secret",
        scope="read",
        answer=keys_wire.KeyAnswer,
    )
)
async def get_key(call: Call) -> keys_wire.KeyAnswer:
    now = call.services.keys.clock()
    key = await call.services.client_keys.get(call.caller, KEYS, parse_id(call.path["key_id"]))
    return keys_wire.KeyAnswer(success=True, key=keys_show.key(key, now))


@handles(
    Operation(
        "revokeKeyByQuery",
        "DELETE",
        "/keys",
        _TAG,
        "Revoke the key named in the query; it stays listed",
        scope="write",
        query=keys_wire.KeyIdQuery,
        answer=wire.Success,
    )
)
async def revoke_key_by_query(call: Call) -> wire.Success:
    written = call.query.get("id")
    if written is None:
        raise Invalid.at(("id",), "Required")
    return await _revoke(call, written)


@handles(
    Operation(
        "revokeKey",
        "DELETE",
        _ONE,
        _TAG,
        "Revoke a key, the one that asks too; it stays listed",
        scope="write",
        answer=wire.Success,
    )
)
async def revoke_key(call: Call) -> wire.Success:
    return await _revoke(call, call.path["key_id"])


async def _revoke(call: Call, key_id: str) -> wire.Success:
    await call.services.client_keys.revoke(call.caller, KEYS, parse_id(key_id))
    return wire.Success(success=True)


ENDPOINTS: Final = (list_keys, create_key, get_key, revoke_key_by_query, revoke_key)
