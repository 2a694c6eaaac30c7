"""What a dry run remembers of the contacts that a file would create or change, in bounded memory.

The last contacts are kept as MessagePack, about 350 bytes each with their entry. Of an older one only a hash
of its address is left, 8 bytes, so that a later row with the address is known to repeat it. Hashes are kept
in sorted arrays, each at least twice as long as the next one, so that adding a million hashes copies each of
them about ten times.
"""

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from diglot.model.contacts import Contact

# About 70,000 contacts with a few columns.
MOST_BYTES: Final = 24 * 1024 * 1024
# Overhead of an entry beside the bytes of the contact.
_ENTRY_BYTES: Final = 200
MOST_HASHES: Final = 2_000_000
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Any]).decode


class HashSet:
    """Hashes of texts, at most `MOST_HASHES`; texts that are added later are not known.

    Python draws the hash function at its start, so nobody can write texts with one hash.
    """

    def __init__(self) -> None:
        self._sorted: list[array[int]] = []

    def add(self, texts: Iterable[str]) -> None:
        """Add texts."""
        free = MOST_HASHES - sum(map(len, self._sorted))
        added = array("q", sorted(islice({hash(text) for text in texts if text not in self}, free)))
        while added and self._sorted and len(self._sorted[-1]) < 2 * len(added):
            added = array("q", heapq.merge(self._sorted.pop(), added))
        if added:
            self._sorted.append(added)

    def __contains__(self, text: str) -> bool:
        wanted = hash(text)
        for hashes in self._sorted:
            place = bisect_left(hashes, wanted)
            if place < len(hashes) and hashes[place] == wanted:
                return True
        return False


@dataclass(slots=True)
class FileMemory:
    """The contacts of a file as its rows so far would leave them, by address."""

    _contacts: dict[str, bytes] = field(default_factory=dict)
    _bytes: int = 0
    _forgotten: HashSet = field(default_factory=HashSet)

    def find(self, emails: Iterable[str]) -> dict[str, Contact]:
        """Return those of the contacts that are remembered."""
        known = self._contacts
        return {email: Contact(*_decode(known[email])) for email in emails if email in known}

    def remember(self, contacts: Mapping[str, Contact]) -> None:
        """Remember contacts as they would be now; forget the ones that were changed longest ago."""
        for email, contact in contacts.items():
            self._pop(email)
            self._contacts[email] = encoded = _encode(msgspec.structs.astuple(contact))
            self._bytes += len(encoded) + _ENTRY_BYTES
        gone = list(self._iterate_excess())
        for email in gone:
            self._pop(email)
        self._forgotten.add(gone)

    def list_forgotten(self, emails: Iterable[str]) -> list[str]:
        """Return those of the addresses that earlier rows had, and whose contact is no longer remembered."""
        return [email for email in emails if email not in self._contacts and email in self._forgotten]

    def _iterate_excess(self) -> Iterator[str]:
        """Yield the contacts that are too many, in one walk: a look for the first one passes all gone."""
        excess = self._bytes - MOST_BYTES
        for email, encoded in self._contacts.items():
            if excess <= 0:
                return
            excess -= len(encoded) + _ENTRY_BYTES
            yield email

    def _pop(self, email: str) -> None:
        if (encoded := self._contacts.pop(email, None)) is not None:
            self._bytes -= len(encoded) + _ENTRY_BYTES
