"""Every error of the family as each dialect sends it, when it comes, and what a client does about it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from diglot.api.responses import ErrorResponse
from diglot.dialects.misar.errors import render_error as in_misar
from diglot.dialects.topmail.errors import render_error as in_topmail
from diglot.errors import (
    Conflict,
    ContentTooLarge,
    CrossSiteWrite,
    DiglotError,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    InvalidInput,
    MalformedRequest,
    MethodNotAllowed,
    Misconfigured,
    NotFound,
    RequestTimeout,
    ScopeNotGranted,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
    UpstreamUnreachable,
)
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from render.markdown import code, table

# An error, the dialects that send it, when it comes, what to do.
_Row = tuple[Exception, str, str, str]
_BOTH: Final = "misar topmail"
_MISAR: Final = "misar"
_TOPMAIL: Final = "topmail"
_ROWS: Final[Sequence[_Row]] = (
    (
        InvalidInput([Fault(("name",), "Required"), Fault(("limit",), "Expected number, received string")]),
        _BOTH,
        "The body or the query is at fault",
        "Mend what the path names; the same request fails again",
    ),
    (
        MalformedRequest("The body is not valid JSON"),
        _BOTH,
        "The body cannot be read as a whole",
        "Send one JSON object in UTF-8",
    ),
    (
        Unauthenticated(),
        _BOTH,
        "No key, or one that is unknown, revoked, expired or the other dialect's",
        "Look at the header, and at the state in `diglot keys list`",
    ),
    (
        Forbidden("contacts"),
        _MISAR,
        "The key may not do this",
        "Make a key with the scope: `diglot keys create --scopes`",
    ),
    (
        Forbidden("contacts:read"),
        _TOPMAIL,
        "The key may not do this",
        "Make a key with the permission: `diglot keys create --scopes`",
    ),
    (
        ScopeNotGranted("send"),
        _MISAR,
        "A key would make or revoke one that may do more than itself",
        "Make it with `diglot keys create`, revoke it with `diglot keys revoke`",
    ),
    (
        CrossSiteWrite("Send the csrf_token of the session as X-CSRF-Token"),
        _MISAR,
        "A write in a session does not show its token, or another site sends it",
        "Send the token that signing in answered",
    ),
    (
        NotFound("segment"),
        _BOTH,
        "No such thing in the workspace of the key; another workspace's is none either",
        "Look at the id and at whose key it is",
    ),
    (
        NotFound(REFERENCED_CONTACT),
        _TOPMAIL,
        "A conversion or a product view names a contact that is not there",
        "Make the contact first",
    ),
    (
        NotFound("route"),
        _BOTH,
        "Diglot does not serve the path and there is no upstream",
        "Look at the path; see [upstreams](operate.md#upstreams)",
    ),
    (
        NotFound("spelling"),
        _BOTH,
        "There is an upstream, but the path is spelled so oddly that it stays here",
        "Write the path without `..`, `//` and needless escapes",
    ),
    (
        MethodNotAllowed(("GET", "POST")),
        _BOTH,
        "The path has no such method",
        "Use one of the header `Allow`",
    ),
    (
        RequestTimeout(),
        _BOTH,
        "The body takes longer than `--body-timeout` allows; the connection is closed",
        "Send it again, over a line that carries it faster",
    ),
    (
        Conflict("contact", "A contact with this email already exists"),
        _BOTH,
        "There is one already, or a dynamic segment is to be changed by hand",
        "Change the one that is there",
    ),
    (
        IdempotencyKeyReused(),
        _BOTH,
        "The `Idempotency-Key` was sent before with another request",
        "Use a new one for each request",
    ),
    (
        ContentTooLarge(1_048_576),
        _BOTH,
        "The body, or the number of contacts in it, passes the limit of the call",
        "Send it in parts",
    ),
    (
        UnsupportedMediaType(("application/json",)),
        _BOTH,
        "The body is of another type",
        "Say `Content-Type: application/json`",
    ),
    (
        TooManyRequests(17),
        _BOTH,
        "The key asks more often than `--rate-limits` allows",
        "Wait as long as `Retry-After` says, then send the same request",
    ),
    (RuntimeError(), _BOTH, "A fault of ours", "Send it again; tell us, with the `X-Request-Id`"),
    (
        UpstreamUnreachable(timed_out=False),
        _BOTH,
        "The upstream failed",
        "Send it again if it is safe to; look at the upstream",
    ),
    (
        UpstreamUnreachable(timed_out=True),
        _BOTH,
        "The upstream kept silent",
        "As for 502; see `--upstream-timeout`",
    ),
)


def misar() -> str:
    """Return the errors of Misar."""
    return _table(_MISAR, in_misar)


def topmail() -> str:
    """Return the errors of Topmail."""
    return _table(_TOPMAIL, in_topmail)


def _table(name: str, render: Callable[[Exception], ErrorResponse]) -> str:
    """Return the errors of a dialect, by status."""
    shown = [(render(error), when, what) for error, dialects, when, what in _ROWS if name in dialects]
    rows = (
        (str(answer.status), _body(answer.body), when, what)
        for answer, when, what in sorted(shown, key=_status)
    )
    return table(("status", "body", "when", "what to do"), rows)


def _status(row: tuple[ErrorResponse, str, str]) -> int:
    return row[0].status


def _body(body: Any) -> str:
    return code(msgspec.json.encode(body).decode())


def missing() -> set[str]:
    """Name the errors of the family that the tables leave out: none, but for what has no dialect."""
    told = {type(error) for error, *_ in _ROWS}
    return {one.__name__ for one in _family(DiglotError) if one not in told and one is not Misconfigured}


def _family(root: type[DiglotError]) -> Iterator[type[DiglotError]]:
    for one in root.__subclasses__():
        yield one
        yield from _family(one)
