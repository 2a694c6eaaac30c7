"""Values of opt-out columns and the statuses that they mean: data for `values`."""

import re
from typing import Final

_U: Final = "unsubscribed"
_B: Final = "bounced"
_C: Final = "complained"

# Values in lower case, with white space and punctuation replaced by one space.
YES: Final = frozenset({"true", "yes", "y", "t", "on", "x", "checked", "ticked"})
NO: Final = frozenset({"false", "no", "n", "f", "off", "never", "none", "unchecked"})
YES_SIGNS: Final = frozenset("✓✔☑✅")
NO_SIGNS: Final = frozenset("✗✘☐❌")
SAYS_NOTHING: Final = frozenset({"null", "nil", "nan", "n a", "na", "undefined", "not set"})
# Values that lower the status in any column.
STATUS_VALUES: Final = {
    **dict.fromkeys(
        (
            *("unsubscribed", "opted out", "optedout", "globally unsubscribed", "global unsubscribe"),
            *("user unsubscribed", "never subscribed", "not subscribed", "notsubscribed", "non subscribed"),
            *("nonsubscribed", "blocklisted", "blacklisted", "block listed", "black listed"),
            *("do not contact", "do not email", "do not mail", "do not send", "email opt out"),
        ),
        _U,
    ),
    **dict.fromkeys(("bounced", "hard bounced", "hardbounced", "hard bounce", "cleaned"), _B),
    **dict.fromkeys(
        (
            *("complained", "spam complaint", "spam complaints", "spam report", "marked as spam"),
            *("reported spam", "reported as spam", "abuse complaint"),
        ),
        _C,
    ),
}
# Values that lower it in a column whose name mentions opting out or consent.
OPT_OUT_VALUES: Final = STATUS_VALUES | {
    **dict.fromkeys(
        (
            *("unsubscribe", "unsub", "opt out", "optout", "out", "dnc", "blocked", "suppressed"),
            *("do not allow", "user suppressed", "manually suppressed", "unsubscribed from all"),
        ),
        _U,
    ),
    **dict.fromkeys(("bounce", "hard", "permanent", "undeliverable", "invalid"), _B),
    **dict.fromkeys(("spam", "complaint", "abuse"), _C),
}
# Values that lower it only in a consent column, because `rejected` may mean the opposite in others.
CONSENT_VALUES: Final = dict.fromkeys(
    (
        *("denied", "declined", "refused", "rejected", "withdrawn", "revoked", "not given", "not granted"),
        *("no consent", "not opted in", "disallowed", "pending", "unconfirmed", "not confirmed", "expired"),
        *("inactive", "redacted", "invalid"),
    ),
    _U,
)
# Values that lower it in a column for the status of a subscription or an address.
STATED_VALUES: Final = (
    CONSENT_VALUES
    | OPT_OUT_VALUES
    | dict.fromkeys(
        (
            *("cancelled", "canceled", "cancel", "removed", "remove", "deleted", "stop", "stopped", "ended"),
            *("left", "lapsed", "disabled", "suspended", "paused", "terminated", "deactivated", "closed"),
            *("non subscriber", "not a subscriber", "transactional", "awaiting confirmation", "opting out"),
        ),
        _U,
    )
    | dict.fromkeys(("not deliverable", "invalid email", "invalid address", "nonexistent", "bouncing"), _B)
    | dict.fromkeys(("complaining", "spam complainer", "spammed"), _C)
)
# Values that say nothing there, beside those of `OPTED_IN` and `CONSENTED`.
STATED_OTHERWISE: Final = frozenset({"valid", "verified", "deliverable", "ok", "subscriber", "member", "new"})
# Values of contacts that accept email; they never raise a status.
OPTED_IN: Final = frozenset(
    {
        *("subscribed", "opted in", "opt in", "optedin", "optin", "in", "contactable", "not unsubscribed"),
        *(
            "not opted out",
            "not blocked",
            "not blocklisted",
            "not suppressed",
            "not bounced",
            "allow",
            "allowed",
        ),
        *("send", "soft", "soft bounce", "soft bounced", "temporary", "transient"),
    }
)
CONSENTED: Final = frozenset(
    {
        *(
            "active",
            "confirmed",
            "granted",
            "given",
            "accepted",
            "agreed",
            "consented",
            "explicit",
            "express",
        ),
        *(
            "implied",
            "implicit",
            "expressed",
            "enabled",
            "single opt in",
            "double opt in",
            "confirmed opt in",
        ),
        *("email", "single", "double"),
    }
)
_DAY: Final = r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})"
_NAMED_DAY: Final = (
    r"|[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}|[0-9]{1,2} [A-Za-z]{3,9}\.? [0-9]{4}|[0-9]{8}(?=T))"
)
DATE: Final = re.compile(_DAY + _NAMED_DAY + r"[0-9:., TZzAPMapmUCG+-]{0,40}")
