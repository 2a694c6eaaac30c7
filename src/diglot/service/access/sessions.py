"""Signing in: a password opens a session, whose secret a cookie carries and of which a digest is kept.

A session ends after twelve hours, however much it is used: a read then never writes. A new password, or
none, ends all sessions of its workspace.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from diglot.clock import Clock, system_clock
from diglot.errors import TooMany, Unauthenticated
from diglot.model.sessions import Session
from diglot.model.workspaces import Caller
from diglot.service.access.passwords import Passwords
from diglot.service.access.rate_limits import Limits, Rate
from diglot.storage import workspaces
from diglot.storage.access import sessions
from diglot.storage.sql.engine import Engine, Transaction

SECONDS: Final = 12 * 60 * 60
_SECOND: Final = 1_000_000
# How often somebody may try: from one address, and for one workspace from everywhere.
BY_ADDRESS: Final = Rate(10, 5 * 60)
BY_WORKSPACE: Final = Rate(30, 15 * 60)
_LONGEST_SECRET: Final = 100
_SHOWN: Final = 16


def proof(secret: str) -> str:
    """Return what a page of the console shows it knows with each write: only who has the session has it."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def is_proof(secret: str, shown: str) -> bool:
    """Tell whether a proof is that of a session."""
    return hmac.compare_digest(proof(secret).encode(), shown.encode())


def caller(session: Session, scopes: tuple[str, ...]) -> Caller:
    """Return who asks in a session."""
    number, zone = session.workspace.number, ZoneInfo(session.workspace.time_zone)
    return Caller(number, zone, f"session:{session.digest[:_SHOWN]}", frozenset(scopes), signed_in=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Sessions:
    """The calls of a person who signs in. `limits` counts attempts, whatever keys are allowed."""

    engine: Engine
    limits: Limits
    clock: Clock = system_clock
    passwords: Passwords = field(default_factory=Passwords)

    async def sign_in(
        self, workspace: str, password: str, address: str, instead_of: str | None = None
    ) -> tuple[str, Session]:
        """Begin a session and return its secret; the session that the browser had ends.

        Raise `TooMany`, or `Unauthenticated` alike for a wrong password and for no such workspace.
        """
        await self._count("sign-in from", address, BY_ADDRESS)
        await self._count("sign-in to", _digest(workspace), BY_WORKSPACE)
        found = await self.engine.read(lambda transaction: workspaces.signs_in(transaction, workspace))
        kept = None if found is None else found.password
        if not await self.passwords.fits(kept, password) or found is None:
            raise Unauthenticated
        secret = secrets.token_urlsafe(32)

        async def work(transaction: Transaction) -> Session:
            await workspaces.lock(transaction, found.workspace.number, moves=False)
            # The check took its time: the password may be another by now.
            if await workspaces.signs_in(transaction, workspace) != found:
                raise Unauthenticated
            now = self.clock()
            session = Session(_digest(secret), found.workspace, now, now + SECONDS * _SECOND)
            await sessions.end_old(transaction, found.workspace.number, now)
            await sessions.begin(transaction, session)
            return session

        session = await self.engine.write(work)
        if instead_of is not None:
            await self.sign_out(instead_of)
        return secret, session

    async def find(self, secret: str) -> Session:
        """Return the session of a secret; raise `Unauthenticated`."""
        if len(secret) > _LONGEST_SECRET:
            raise Unauthenticated
        digest = _digest(secret)
        found = await self.engine.glance(lambda transaction: sessions.find(transaction, digest))
        if found is None or found.expires_at <= self.clock():
            raise Unauthenticated
        return found

    async def sign_out(self, secret: str) -> None:
        """End a session at once, in every process."""
        await self.engine.write(lambda transaction: sessions.end(transaction, _digest(secret)))

    async def _count(self, bucket: str, who: str, rate: Rate) -> None:
        allowance = await self.limits.take(who, bucket, rate)
        if allowance is not None and allowance.refused:
            raise TooMany(allowance.retry_after)
        await self.limits.forget_old(bucket, rate)
