"""Maps the names of tracked events to activities: the names in the vendor's webhooks, triggers and scoring.

Each name is accepted as the vendor writes it and in the snake case that its tracking page recommends. Any
other name is the client's own event and updates no field, because a bare `click` may mean a button of an app.
"""

from typing import Final

from diglot.model.events import ACTIVITIES, EventKind

_DOTTED_NAMES: Final = {
    **ACTIVITIES,
    "campaign.opened": EventKind.OPEN,
    "campaign.clicked": EventKind.CLICK,
    "link.clicked": EventKind.CLICK,
}
_KINDS: Final = _DOTTED_NAMES | {name.replace(".", "_"): kind for name, kind in _DOTTED_NAMES.items()}


def event_kind_of(name: str) -> EventKind:
    """Return the activity that an event name stands for."""
    return _KINDS.get(name, EventKind.OTHER)
