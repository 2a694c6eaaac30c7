"""An answer of long contacts is made on another thread, in pieces, and is what would be made at once."""

import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from diglot.api import endpoint, responses
from diglot.api.call import SHORT_CONTACTS
from diglot.api.responses import encode_in_pieces, encode_json
from diglot.server.guards.answers import AnswerLimits
from support.servers.in_process import Server, bearer

CONTACTS = 6
TEXT = "x" * (SHORT_CONTACTS // CONTACTS)
ATTRIBUTES = {"misar": "custom_fields", "topmail": "attributes"}
PATHS = {"misar": "/mail/v1/contacts", "topmail": "/api/v1/contacts"}


each_dialect = pytest.mark.parametrize("dialect", ["misar", "topmail"])


async def fill(server: Server, dialect: str, workspace: str) -> Mapping[str, str]:
    """Create contacts, of which all together are long, and all but one are not; return a key's headers."""
    headers = bearer(await server.key(dialect, workspace))
    for number in range(CONTACTS):
        body = {"email": f"{number}@example.com", ATTRIBUTES[dialect]: {"text": TEXT}}
        answer = await server.client.post(PATHS[dialect], headers=headers, json=body)
        assert answer.status_code == 201, answer.text
    return headers


@each_dialect
async def test_long_contacts_do_not_hold_the_event_loop(
    module_server: Server, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """Each piece is one contact; a page of short contacts is encoded at once."""
    client, headers = module_server.client, await fill(module_server, dialect, f"long {dialect}")
    made: list[tuple[Any, bytes]] = []
    threads: set[int] = set()
    pieces: list[int] = []

    def encode_piece(value: Any) -> bytes:
        pieces.append(len(encode_json(value)))
        return encode_json(value)

    def note(answer: Any) -> bytes:
        threads.add(threading.get_ident())
        made.append((answer, encode_in_pieces(answer)))
        return made[-1][1]

    monkeypatch.setattr(endpoint, "encode_in_pieces", note)
    monkeypatch.setattr(responses, "encode_json", encode_piece)
    short = await client.get(f"{PATHS[dialect]}?limit={CONTACTS - 1}", headers=headers)
    assert short.status_code == 200
    assert not made
    long = await client.get(f"{PATHS[dialect]}?limit={CONTACTS}", headers=headers)
    assert threading.get_ident() not in threads
    [(answer, sent)] = made
    assert long.content == sent == encode_json(answer)
    assert max(pieces) < len(TEXT) + 2_048


@each_dialect
async def test_long_contacts_need_room(
    module_server: Server, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """An answer that is made counts as one that is not read yet, and gives its room back."""
    client, headers = module_server.client, await fill(module_server, dialect, f"many {dialect}")
    path = f"{PATHS[dialect]}?limit={CONTACTS}"
    sizes: list[int] = []
    rooms: list[AnswerLimits] = []
    take = AnswerLimits.take

    def note(limits: AnswerLimits, network: str, size: int) -> bool:
        rooms.append(limits)
        sizes.append(size)
        return take(limits, network, size)

    monkeypatch.setattr(AnswerLimits, "take", note)
    sent = await client.get(path, headers=headers)
    assert sizes == [2 * CONTACTS * len('{"text":""}' + TEXT), len(sent.content)]
    assert not rooms[0].held
    monkeypatch.setattr(AnswerLimits, "take", lambda *_: False)
    monkeypatch.setattr(endpoint, "encode_in_pieces", None)
    refused = await client.get(path, headers=headers)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert not rooms[0].held


def test_pieces_are_what_is_encoded_at_once() -> None:
    """Lists of any length, structs within structs, and properties that are left out."""

    class Inner(msgspec.Struct, rename="camel"):
        some_items: list[Any]
        left_out: int | msgspec.UnsetType = msgspec.UNSET

    class Outer(msgspec.Struct):
        left_out: int | msgspec.UnsetType
        inner: Inner
        none: list[int]
        raw: msgspec.Raw

    outer = Outer(msgspec.UNSET, Inner([1, "ä", {"a": None}]), [], msgspec.Raw(b"[1, 2]"))
    assert encode_in_pieces(outer) == encode_json(outer)
