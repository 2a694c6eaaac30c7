"""Keys of the caller's workspace: for sessions on the vendor's pages, for keys in its client."""

from typing import Final

from diglot.api.body_reader import Missing, Reader
from diglot.api.dialect import Call
from diglot.api.operation import Operation
from diglot.conditions import dates
from diglot.dialects.misar import wire
from diglot.dialects.misar.key_format import KEYS, SCOPES
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.dialects.misar.segments import show
from diglot.errors import Invalid
from diglot.model.ids import read_id
from diglot.model.workspaces import Terms

_TAG: Final = "keys"
_ONE: Final = "/keys/{key_id:str}"
_LONGEST_NAME: Final = 80
_LONGEST_ACCOUNT: Final = 100
_LONGEST_TIME: Final = 100


@Operation(
    "listKeys",
    "GET",
    "/keys",
    _TAG,
    "List the keys of the workspace, newest first, revoked ones included",
    scope="read",
    answer=keys_wire.KeyListAnswer,
).handled_by
async def list_keys(call: Call) -> keys_wire.KeyListAnswer:
    now = call.services.keys.clock()
    found = await call.services.own_keys.every(call.caller, KEYS)
    return keys_wire.KeyListAnswer(success=True, keys=[show.key(one, now) for one in found])


@Operation(
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
).handled_by
async def create_key(call: Call) -> keys_wire.KeyCreatedAnswer:
    reader = Reader(await call.members())
    reader.required("name")
    name = reader.name("name", _LONGEST_NAME)
    scopes = reader.choices("scopes", SCOPES)
    account = reader.name_or_null(reader.spelled("allowedAccountId", "allowed_account_id"), _LONGEST_ACCOUNT)
    end = _end(call, reader, reader.spelled("expiresAt", "expires_at"))
    reader.finish()
    assert not isinstance(name, Missing)
    terms = Terms(name, None if isinstance(account, Missing) else account, end)
    wanted = () if isinstance(scopes, Missing) else scopes
    secret, key = await call.services.own_keys.create(call.caller, KEYS, wanted, terms)
    return show.created_key(key, secret)


def _end(call: Call, reader: Reader, spelling: str) -> int | None:
    text = reader.text_or_null(spelling, _LONGEST_TIME)
    if text is None or isinstance(text, Missing):
        return None
    written = dates.received(text)
    if written is None:
        reader.fault((spelling,), "Invalid datetime")
        return None
    end = written.instant(call.caller.zone)
    if end <= call.services.keys.clock():
        reader.fault((spelling,), "The end of a key lies in the future")
    return end


@Operation(
    "getKey",
    "GET",
    _ONE,
    _TAG,
    "Get a key, without its secret",
    scope="read",
    answer=keys_wire.KeyAnswer,
).handled_by
async def get_key(call: Call) -> keys_wire.KeyAnswer:
    now = call.services.keys.clock()
    key = await call.services.own_keys.get(call.caller, KEYS, read_id(call.path["key_id"]))
    return keys_wire.KeyAnswer(success=True, key=show.key(key, now))


@Operation(
    "revokeKeyByQuery",
    "DELETE",
    "/keys",
    _TAG,
    "Revoke the key named in the query; it stays listed",
    scope="write",
    query=keys_wire.KeyIdQuery,
    answer=wire.Success,
).handled_by
async def revoke_key_by_query(call: Call) -> wire.Success:
    written = call.query.get("id")
    if written is None:
        raise Invalid.at(("id",), "Required")
    return await _revoke(call, written)


@Operation(
    "revokeKey",
    "DELETE",
    _ONE,
    _TAG,
    "Revoke a key, the one that asks too; it stays listed",
    scope="write",
    answer=wire.Success,
).handled_by
async def revoke_key(call: Call) -> wire.Success:
    return await _revoke(call, call.path["key_id"])


async def _revoke(call: Call, key_id: str) -> wire.Success:
    await call.services.own_keys.revoke(call.caller, KEYS, read_id(key_id))
    return wire.Success(success=True)


ENDPOINTS: Final = (list_keys, create_key, get_key, revoke_key_by_query, revoke_key)
