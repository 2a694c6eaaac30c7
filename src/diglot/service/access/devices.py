"""Known devices: browsers that have signed in to a workspace before, told by a cookie.

Throttling a workspace would let a stranger keep the owner out, and throttling addresses alone leaves guessing
from many of them unbounded. A known device passes what slows strangers down, and has a limit of its own
(OWASP's device cookies).

A token is `NONCE.TIME.MAC`. The key of the MAC is the hash of the workspace's password, which no client sees:
nothing has to be stored, and a new password ends all tokens.
"""

import hashlib
import hmac
import re
import secrets
from typing import Final

from diglot.storage.workspaces import SignInRecord

COOKIE_PREFIX: Final = "diglot_device_"
DEVICE_SECONDS: Final = 180 * 24 * 60 * 60
_SECOND: Final = 1_000_000
_TOKEN: Final = re.compile(r"(?P<nonce>[0-9a-f]{32})\.(?P<time>[0-9]{1,12})\.(?P<mac>[0-9a-f]{64})", re.ASCII)


def create_token(credentials: SignInRecord, now: int) -> str:
    """Return a new token for a browser that has just signed in."""
    nonce, time = secrets.token_hex(16), str(now // _SECOND)
    return f"{nonce}.{time}.{_compute_mac(credentials, nonce, time)}"


def find_device(credentials: SignInRecord | None, token: str | None, now: int) -> str | None:
    """Return what identifies the device of a token; None if the token is not valid for the workspace."""
    match = None if token is None else _TOKEN.fullmatch(token)
    if match is None or credentials is None or credentials.password_hash is None:
        return None
    if not hmac.compare_digest(_compute_mac(credentials, match["nonce"], match["time"]), match["mac"]):
        return None
    return match["nonce"] if now // _SECOND - int(match["time"]) < DEVICE_SECONDS else None


def name_cookie(workspace: str) -> str:
    """Return the name of the cookie: each workspace has its own, because a browser may know several."""
    digest = hashlib.sha256(workspace.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{COOKIE_PREFIX}{digest[:12]}"


def _compute_mac(credentials: SignInRecord, nonce: str, time: str) -> str:
    message = f"device {credentials.workspace.number} {nonce} {time}"
    return hmac.new((credentials.password_hash or "").encode(), message.encode(), hashlib.sha256).hexdigest()
