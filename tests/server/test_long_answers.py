"""An answer of long contacts is made on another thread, in pieces, and is what would be made at once."""

import threading
from typing import Any

import msgspec
import pytest

from diglot.api import endpoint, responses
from diglot.api.call import SHORT_CONTACTS
from diglot.api.responses import encode_in_pieces, encode_json
from support.servers.in_process import Server, bearer

CONTACTS = 6
ATTRIBUTES = {"misar": "custom_fields", "topmail": "attributes"}
PATHS = {"misar": "/mail/v1/contacts", "topmail": "/api/v1/contacts"}


@pytest.mark.parametrize("dialect", ["misar", "topmail"])
async def test_long_contacts_do_not_hold_the_event_loop(
    module_server: Server, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """Each piece is one contact; a page of short contacts is encoded at once."""
    client, headers = module_server.client, bearer(await module_server.key(dialect, f"long {dialect}"))
    text = "x" * (SHORT_CONTACTS // CONTACTS)
    for number in range(CONTACTS):
        body = {"email": f"{number}@example.com", ATTRIBUTES[dialect]: {"text": text}}
        assert (await client.post(PATHS[dialect], headers=headers, json=body)).status_code == 201
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
    assert max(pieces) < len(text) + 2_048


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
