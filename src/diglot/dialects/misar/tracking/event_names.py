"""What the names of tracked events mean: those of the vendor's webhooks, triggers and scoring rules.

Each is read as the vendor writes it and in the snake case that its tracking page recommends. Any other name
is an event of the client's own, which moves nothing: a bare `click` may be one on a button of an app.
"""

from typing import Final

from diglot.model.events import EventKind

_NAMES: Final = {
    "email.opened": EventKind.OPEN,
    "campaign.opened": EventKind.OPEN,
    "email.clicked": EventKind.CLICK,
    "campaign.clicked": EventKind.CLICK,
    "link.clicked": EventKind.CLICK,
    "email.sent": EventKind.SENT,
    "email.delivered": EventKind.SENT,
}
_KINDS: Final = _NAMES | {name.replace(".", "_"): kind for name, kind in _NAMES.items()}


def kind_of(name: str) -> EventKind:
    """Return what an event of a name means."""
    return _KINDS.get(name, EventKind.OTHER)
