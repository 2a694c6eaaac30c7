"""Passwords: stored as argon2id hashes, verified off the event loop.

A workspace without a password takes the same time, so that timing does not reveal which workspaces have one.
"""

import asyncio
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from diglot.errors import InvalidInput, TooManyRequests

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 1000
# Verifications that wait for their turn, in all and from one address. One takes about a tenth of a second.
MAX_WAITING: Final = 30
MAX_WAITING_OF_ADDRESS: Final = 3
_RETRY_SECONDS: Final = 3
# The hash of a discarded random password, with the same parameters.
DUMMY_HASH: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$rVDtRedMmafpiZc5P4q9Jg$eOLrz9hkqT6mzM97JmNESrRGGw52Ke9MVgFYWQkN7b8"
)


@cache
def get_hasher() -> "PasswordHasher":
    """Return the hasher; it is created for the first password, because most processes see none.

    The parameters are the second recommended choice of RFC 9106 (section 4): 64 MiB for each verification.
    """
    from argon2 import PasswordHasher  # noqa: PLC0415 - see above

    return PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)


def check_new_password(password: str) -> str:
    """Return a valid new password; raise `InvalidInput`."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput.at(("password",), f"a password has {MIN_LENGTH} to {MAX_LENGTH:,} characters")
    return password


def hash_password(password: str) -> str:
    """Return the hash of a password; this takes some tenths of a second."""
    return get_hasher().hash(_normalize(password))


def _normalize(password: str) -> str:
    # Different systems encode the same letter in different ways.
    return unicodedata.normalize("NFKC", password)


def _verify_hash(password_hash: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - see get_hasher

    try:
        return get_hasher().verify(password_hash, _normalize(password))
    except (VerificationError, InvalidHashError):
        return False


@dataclass(slots=True)
class VerificationQueue:
    """Verifies passwords one after another; a full queue rejects, so that nobody waits for minutes."""

    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    _waiting: Counter[str] = field(default_factory=Counter)

    async def verify(self, password_hash: str | None, password: str, address: str) -> bool:
        """Tell whether a password matches a stored hash; without a hash do the same work and return False.

        Raise `TooManyRequests` if too many wait, in all or from this address.
        """
        if self._waiting.total() >= MAX_WAITING or self._waiting[address] >= MAX_WAITING_OF_ADDRESS:
            raise TooManyRequests(_RETRY_SECONDS)
        self._waiting[address] += 1
        try:
            async with self._turn:
                matches = await asyncio.to_thread(
                    _verify_hash, DUMMY_HASH if password_hash is None else password_hash, password
                )
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # removes zeros
        return matches and password_hash is not None


@dataclass(frozen=True, slots=True)
class PasswordChecker:
    """Verifies passwords, of known devices apart from strangers, so that neither waits for the other."""

    known_devices: VerificationQueue = field(default_factory=VerificationQueue)
    strangers: VerificationQueue = field(default_factory=VerificationQueue)
