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

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import TooManyRequests, Unauthenticated
from diglot.model.workspaces import Caller, Session, Workspace
from diglot.service.access.devices import create_token, find_device
from diglot.service.access.passwords import PasswordChecker
from diglot.service.access.rate_limits import Rate, RateLimits
from diglot.storage import workspaces
from diglot.storage.access import sessions
from diglot.storage.sql.engine import Engine
from diglot.storage.workspaces import SignInRecord
from diglot.storage.write_unit import WriteUnit, lock_workspace

SESSION_SECONDS: Final = 12 * 60 * 60
_SECOND: Final = 1_000_000
# Limits of sign-in attempts of unknown devices: from one address, and from one address to one workspace. No
# limit keeps all addresses out of a workspace, because a stranger would keep the owner out with it.
RATE_BY_ADDRESS: Final = Rate(10, 5 * 60)
RATE_BY_PAIR: Final = Rate(10, 15 * 60)
# A workspace that unknown devices try more often than the first rate allows each address the second one only.
# So 10,000 addresses guess 30,000 passwords a day, of at least twelve characters each.
RATE_OF_STRANGERS: Final = Rate(100, 24 * 60 * 60)
RATE_BY_PAIR_UNDER_ATTACK: Final = Rate(3, 24 * 60 * 60)
# The limit of a device that has signed in before, from whatever address.
RATE_BY_DEVICE: Final = Rate(10, 15 * 60)
# How long a one-time link works.
LINK_SECONDS: Final = 60 * 60
# A link is stored as a session whose secret begins with this, which no cookie that Diglot sets does.
_LINK_PREFIX: Final = "link:"
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


class Browser(msgspec.Struct, frozen=True):
    """The browser that signs in: its network address, and the secrets of its cookies, if it sent any."""

    address: str
    session_secret: str | None = None
    device_token: str | None = None


class SignedIn(msgspec.Struct, frozen=True):
    """A new session with its secret, and a token with which the browser is a known device from now on."""

    secret: str
    session: Session
    device_token: str


@dataclass(frozen=True, slots=True)
class Sessions:
    """The use cases of browser sessions. `rate_limits` counts attempts, independently of key limits."""

    engine: Engine
    rate_limits: RateLimits
    clock: Clock = system_clock
    passwords: PasswordChecker = field(default_factory=PasswordChecker)

    async def sign_in(self, workspace: str, password: str, browser: Browser) -> SignedIn:
        """Begin a session and return its secret; end the previous session of the browser.

        Raise `TooManyRequests`, or `Unauthenticated` for a wrong password or an unknown workspace.
        """
        credentials = await self.engine.read(lambda tx: workspaces.find_sign_in(tx, workspace))
        device = find_device(credentials, browser.device_token, self.clock())
        if device is not None:
            await self._count_attempt("sign-in with", device, RATE_BY_DEVICE)
        else:
            await self._count_stranger(workspace, browser.address)
        password_hash = None if credentials is None else credentials.password_hash
        queue = self.passwords.known_devices if device is not None else self.passwords.strangers
        if not await queue.verify(password_hash, password, browser.address) or credentials is None:
            raise Unauthenticated
        secret = secrets.token_urlsafe(32)
        begin = partial(_begin_session, credentials=credentials, digest=_hash_secret(secret))
        number = credentials.workspace.number
        session = await self.engine.write(lock_workspace(number, self.clock, begin), workspace=number)
        if browser.session_secret is not None:
            await self.sign_out(browser.session_secret)
        return SignedIn(secret, session, create_token(credentials, session.created_at))

    async def find(self, secret: str) -> Session:
        """Return the session of a secret; raise `Unauthenticated`, also for the secret of a link."""
        if secret.startswith(_LINK_PREFIX):
            raise Unauthenticated
        return await self._find(secret)

    async def _find(self, secret: str) -> Session:
        if len(secret) > _MAX_SECRET_LENGTH:
            raise Unauthenticated
        digest = _hash_secret(secret)
        session = await self.engine.point_read(lambda transaction: sessions.find(transaction, digest))
        if session is None or session.expires_at <= self.clock():
            raise Unauthenticated
        return session

    async def sign_out(self, secret: str) -> None:
        """End a session immediately, in every process."""
        if secret.startswith(_LINK_PREFIX):
            return
        await self.engine.write(lambda transaction: sessions.end(transaction, _hash_secret(secret)))

    async def create_link(self, caller: Caller) -> str:
        """Return the secret of a link that signs in to the caller's workspace once."""
        link = secrets.token_urlsafe(32)
        begin = partial(_begin_link, digest=_hash_secret(_LINK_PREFIX + link))
        await self.engine.write(
            lock_workspace(caller.workspace, self.clock, begin), workspace=caller.workspace
        )
        return link

    async def enter(self, link: str) -> str:
        """Begin a session by the secret of a link, which ends it; raise `Unauthenticated`."""
        found = await self._find(_LINK_PREFIX + link)
        secret, number = secrets.token_urlsafe(32), found.workspace.number
        use = partial(_use_link, link=found, digest=_hash_secret(secret))
        await self.engine.write(lock_workspace(number, self.clock, use), workspace=number)
        return secret

    async def _count_stranger(self, workspace: str, address: str) -> None:
        """Count an attempt of an unknown device; raise `TooManyRequests`."""
        await self._count_attempt("sign-in from", address, RATE_BY_ADDRESS)
        name = _hash_secret(workspace)
        strangers = await self.rate_limits.consume(name, "sign-in to", RATE_OF_STRANGERS)
        pair = _hash_secret(f"{address} {name}")
        if strangers is not None and strangers.is_exceeded:
            await self._count_attempt("sign-in from, to, under attack", pair, RATE_BY_PAIR_UNDER_ATTACK)
        else:
            await self._count_attempt("sign-in from, to", pair, RATE_BY_PAIR)
            await self.rate_limits.delete_old_counts("sign-in to", RATE_OF_STRANGERS)

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


async def _begin_link(unit: WriteUnit, digest: str) -> None:
    # The workspace of a session that begins is read with it.
    workspace = Workspace(unit.workspace, "", "")
    await sessions.end_expired(unit, unit.now)
    await sessions.begin(unit, Session(digest, workspace, unit.now, unit.now + LINK_SECONDS * _SECOND))


async def _use_link(unit: WriteUnit, link: Session, digest: str) -> None:
    # Another request may have used the link since it was found.
    if await sessions.find(unit.transaction, link.digest) is None:
        raise Unauthenticated
    await sessions.end(unit.transaction, link.digest)
    session = Session(digest, link.workspace, unit.now, unit.now + SESSION_SECONDS * _SECOND)
    await sessions.begin(unit, session)
