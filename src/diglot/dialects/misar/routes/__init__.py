"""The handlers of Misar's calls."""

from typing import Final

from diglot.dialects.misar.routes import contacts, segments

HANDLERS: Final = (*segments.HANDLERS, *contacts.HANDLERS)
