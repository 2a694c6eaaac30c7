"""The handlers of Topmail's calls."""

from typing import Final

from diglot.dialects.topmail.routes import contacts, segments

HANDLERS: Final = (*segments.HANDLERS, *contacts.HANDLERS)
