"""Passwords: stored as argon2id hashes, verified off the event loop.

A workspace without a password takes the same time, so that timing does not reveal which workspaces have one.
"""

import asyncio
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from diglot.errors import InvalidInput

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 1000
# Verifications at the same time in one process; this bounds their memory.
_MAX_CONCURRENT_CHECKS: Final = 2
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


@dataclass(frozen=True, slots=True)
class PasswordChecker:
    """Verifies passwords, a limited number at the same time."""

    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_CONCURRENT_CHECKS))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether a password matches a stored hash; without a hash do the same work and return False."""
        async with self._slots:
            matches = await asyncio.to_thread(
                _verify_hash, DUMMY_HASH if password_hash is None else password_hash, password
            )
        return matches and password_hash is not None
