"""Render every DiglotError as each dialect sends it, with its cause and the remedy."""

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
    DatabaseAway,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseReadOnly,
    DeadlineExceeded,
    DiglotError,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    InUse,
    InvalidInput,
    InvalidSignature,
    LimitReached,
    MalformedRequest,
    MethodNotAllowed,
    Misconfigured,
    NotFound,
    RequestTimeout,
    ScopeNotGranted,
    ServerBusy,
    StorageFull,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    UpstreamUnreachable,
)
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from render.markdown import code, table

# An error, the dialects that send it, its cause, the remedy.
_Row = tuple[Exception, str, str, str]
_BOTH: Final = "misar topmail"
_MISAR: Final = "misar"
_TOPMAIL: Final = "topmail"
_ROWS: Final[Sequence[_Row]] = (
    (
        InvalidInput([Fault(("name",), "Required"), Fault(("limit",), "Expected number, received string")]),
        _BOTH,
        "The body or the query string is invalid",
        "Fix the field named in the path. Sending the same request again will fail",
    ),
    (
        MalformedRequest("The body is not valid JSON"),
        _BOTH,
        "The body cannot be parsed",
        "Send one JSON object, encoded in UTF-8",
    ),
    (
        Unauthenticated(),
        _BOTH,
        "The key is missing, unknown, revoked, expired or of the other dialect",
        "Check the header, and the state of the key in `diglot keys list`",
    ),
    (
        InvalidSignature(),
        _BOTH,
        "A webhook of the vendor has no signature of its source, or one that is too old",
        "Check the path, the secret and the clock: `diglot webhooks-in list`",
    ),
    (
        Forbidden("contacts"),
        _MISAR,
        "The key does not allow this call",
        "Create a key with the scope: `diglot keys create --scopes`",
    ),
    (
        Forbidden("contacts:read"),
        _TOPMAIL,
        "The key does not allow this call",
        "Create a key with the permission: `diglot keys create --scopes`",
    ),
    (
        ScopeNotGranted("send"),
        _MISAR,
        "The key to create or revoke has a scope that the calling key lacks",
        "Use `diglot keys create` or `diglot keys revoke`",
    ),
    (
        LimitReached("segments and dynamic lists", 10_000, 10_000),
        _BOTH,
        "The workspace has as many of something as [its limits](operate.md#limits) allow",
        "Delete what is not needed, or raise the limit: `diglot serve --max-segments`",
    ),
    (
        CrossSiteWrite("Send the csrf_token of the session as X-CSRF-Token"),
        _MISAR,
        "A write in a browser session has no CSRF token, or comes from another site",
        "Send the token from the sign-in response",
    ),
    (
        NotFound("segment"),
        _BOTH,
        "The key's workspace has no object with this id, though another workspace may",
        "Check the id, and to which workspace the key belongs",
    ),
    (
        NotFound(REFERENCED_CONTACT),
        _TOPMAIL,
        "A conversion or a product view names a contact that does not exist",
        "Create the contact first",
    ),
    (
        NotFound("route"),
        _BOTH,
        "Diglot does not serve the path, and no upstream is configured",
        "Check the path; see [upstreams](operate.md#upstreams)",
    ),
    (
        NotFound("spelling"),
        _BOTH,
        "An upstream is configured, but the spelling of the path is too unusual to forward",
        "Write the path without `..`, `//` and unnecessary percent-encoding",
    ),
    (
        MethodNotAllowed(("GET", "POST")),
        _BOTH,
        "The path does not support the method",
        "Use a method listed in the `Allow` header",
    ),
    (
        RequestTimeout(),
        _BOTH,
        "The body did not arrive within `--body-timeout`; Diglot closes the connection",
        "Retry over a faster connection, or split the request",
    ),
    (
        Conflict("contact", "A contact with this email already exists"),
        _BOTH,
        "The object already exists, or the request changes members of a dynamic segment by hand",
        "Update the existing object, or change the segment's rules",
    ),
    (
        Conflict("event", "Another event has this event_id"),
        _BOTH,
        "An event of another contact, or with another name or type, has the `event_id`",
        "Give each event an id of its own in the workspace",
    ),
    (
        InUse("reference", "Rules exclude it and would become invalid: segment 019ca3f1-... (Others)"),
        _TOPMAIL,
        "Rules exclude the tag or the list, and the request has `force=false`",
        "Change these rules, or delete it without `force=false`: they match no contact then",
    ),
    (
        InUse("segment", "Rules reference it: segment 019ca3f1-... (Others)"),
        _BOTH,
        "Rules of the named segments and dynamic lists name the segment that is to be deleted",
        "Change these rules first",
    ),
    (
        IdempotencyKeyReused(),
        _BOTH,
        "The `Idempotency-Key` was already used for a different request",
        "Use a new key for each request",
    ),
    (
        ContentTooLarge(1_048_576),
        _BOTH,
        "The body, or the number of contacts in it, exceeds the limit of the call",
        "Split the request",
    ),
    (
        UnsupportedMediaType(("application/json",)),
        _BOTH,
        "The body has an unsupported content type",
        "Send `Content-Type: application/json`",
    ),
    (
        TooManyRequests(17),
        _BOTH,
        "The key exceeded its rate limit (`--rate-limits`), or its workspace did (`--workspace-rate`)",
        "Wait as long as `Retry-After` says, then retry",
    ),
    (
        RuntimeError(),
        _BOTH,
        "A bug in Diglot",
        "Retry, and please report it with the `X-Request-Id` and the log",
    ),
    (
        UpstreamUnreachable(timed_out=False),
        _BOTH,
        "The upstream failed",
        "Retry if the request is safe to repeat; check the upstream",
    ),
    (
        UpstreamUnreachable(timed_out=True),
        _BOTH,
        "The upstream timed out",
        "As for 502; see `--upstream-timeout`",
    ),
    (
        DatabaseAway(),
        _BOTH,
        "The database does not answer, or is damaged; the log says why",
        "Wait as long as `Retry-After` says, then retry. Check the database",
    ),
    (
        DatabaseBusy(),
        _BOTH,
        "No connection to the database, or no lock, became free in time",
        "Wait as long as `Retry-After` says, then retry",
    ),
    (
        DeadlineExceeded(),
        _BOTH,
        "A read took longer than a read may",
        "Ask for less: fewer rules, or a smaller page",
    ),
    (
        DatabaseReadOnly(),
        _BOTH,
        "The database accepts no writes; reads are answered",
        "Wait as long as `Retry-After` says, then retry. Check the database",
    ),
    (
        StorageFull(),
        _BOTH,
        "The disk of the database is full; reads are answered",
        "Free space on the disk; the server recovers by itself",
    ),
    (
        ServerBusy(),
        _BOTH,
        "Clients do not read their long answers, or too many calls to an upstream are open",
        "Wait as long as `Retry-After` says, then retry; read answers, and open fewer calls at once",
    ),
)


def misar() -> str:
    """Return the table of Misar's errors."""
    return _table(_MISAR, in_misar)


def topmail() -> str:
    """Return the table of Topmail's errors."""
    return _table(_TOPMAIL, in_topmail)


def _table(name: str, render: Callable[[Exception], ErrorResponse]) -> str:
    """Return the table of a dialect's errors, sorted by status."""
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
    """Return the domain errors without a row.

    No dialect sends Misconfigured, an Unavailable is always one of a kind, and DatabaseDamaged looks like
    DatabaseAway.
    """
    told = {type(error) for error, *_ in _ROWS} | {Misconfigured, Unavailable, DatabaseDamaged}
    domain = (error for error in _family(DiglotError) if error.__module__ == DiglotError.__module__)
    return {error.__name__ for error in domain if error not in told}


def _family(root: type[DiglotError]) -> Iterator[type[DiglotError]]:
    for error in root.__subclasses__():
        yield error
        yield from _family(error)
