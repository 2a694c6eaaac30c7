"""Browser sessions: a password opens a session; a cookie carries its secret, the database stores a digest.

A session expires after twelve hours and is not extended by use, so that reads never write. Changing or
removing the password ends all sessions of its workspace.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from diglot.clock import Clock, system_clock
from diglot.errors import TooManyRequests, Unauthenticated
from diglot.model.sessions import Session
from diglot.model.workspaces import Caller
from diglot.service.access.passwords import PasswordChecker
from diglot.service.access.rate_limits import Rate, RateLimits
from diglot.storage import workspaces
from diglot.storage.access import sessions
from diglot.storage.sql.engine import Engine
from diglot.storage.workspaces import SignInRecord
from diglot.storage.write_unit import WriteUnit, lock_workspace

SESSION_SECONDS: Final = 12 * 60 * 60
_SECOND: Final = 1_000_000
# Limits of sign-in attempts: from one address, and for one workspace from all addresses.
RATE_BY_ADDRESS: Final = Rate(10, 5 * 60)
RATE_BY_WORKSPACE: Final = Rate(30, 15 * 60)
_MAX_SECRET_LENGTH: Final = 100
_DIGEST_PREFIX_LENGTH: Final = 16


def compute_csrf_token(secret: str) -> str:
    """Return the CSRF token of a session; a page sends it with each write to prove that it can read it."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_token_matches(secret: str, token: str) -> bool:
    """Tell whether a CSRF token belongs to a session."""
    return hmac.compare_digest(compute_csrf_token(secret).encode(), token.encode())


def session_caller(session: Session, scopes: tuple[str, ...]) -> Caller:
    """Return the caller of a session."""
    number, zone = session.workspace.number, ZoneInfo(session.workspace.time_zone)
    return Caller(
        number, zone, f"session:{session.digest[:_DIGEST_PREFIX_LENGTH]}", frozenset(scopes), signed_in=True
    )


def _hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Sessions:
    """The use cases of browser sessions. `rate_limits` counts attempts, independently of key limits."""

    engine: Engine
    rate_limits: RateLimits
    clock: Clock = system_clock
    passwords: PasswordChecker = field(default_factory=PasswordChecker)

    async def sign_in(
        self, workspace: str, password: str, address: str, replaced_secret: str | None = None
    ) -> tuple[str, Session]:
        """Begin a session and return its secret; end the previous session of the browser.

        Raise `TooManyRequests`, or `Unauthenticated` for a wrong password or an unknown workspace.
        """
        await self._count_attempt("sign-in from", address, RATE_BY_ADDRESS)
        await self._count_attempt("sign-in to", _hash_secret(workspace), RATE_BY_WORKSPACE)
        credentials = await self.engine.read(lambda tx: workspaces.find_sign_in(tx, workspace))
        password_hash = None if credentials is None else credentials.password_hash
        if not await self.passwords.verify(password_hash, password) or credentials is None:
            raise Unauthenticated
        secret = secrets.token_urlsafe(32)
        begin = partial(_begin_session, credentials=credentials, digest=_hash_secret(secret))
        number = credentials.workspace.number
        session = await self.engine.write(lock_workspace(number, self.clock, begin), workspace=number)
        if replaced_secret is not None:
            await self.sign_out(replaced_secret)
        return secret, session

    async def find(self, secret: str) -> Session:
        """Return the session of a secret; raise `Unauthenticated`."""
        if len(secret) > _MAX_SECRET_LENGTH:
            raise Unauthenticated
        digest = _hash_secret(secret)
        session = await self.engine.point_read(lambda transaction: sessions.find(transaction, digest))
        if session is None or session.expires_at <= self.clock():
            raise Unauthenticated
        return session

    async def sign_out(self, secret: str) -> None:
        """End a session immediately, in every process."""
        await self.engine.write(lambda transaction: sessions.end(transaction, _hash_secret(secret)))

    async def _count_attempt(self, bucket: str, key: str, rate: Rate) -> None:
        allowance = await self.rate_limits.consume(key, bucket, rate)
        if allowance is not None and allowance.is_exceeded:
            raise TooManyRequests(allowance.retry_after)
        await self.rate_limits.delete_old_counts(bucket, rate)


async def _begin_session(unit: WriteUnit, credentials: SignInRecord, digest: str) -> Session:
    # The verification is slow, so the password may have changed since.
    if await workspaces.find_sign_in(unit.transaction, credentials.workspace.name) != credentials:
        raise Unauthenticated
    session = Session(digest, credentials.workspace, unit.now, unit.now + SESSION_SECONDS * _SECOND)
    await sessions.end_expired(unit, unit.now)
    await sessions.begin(unit, session)
    return session
