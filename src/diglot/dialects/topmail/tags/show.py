"""Tags in Topmail's shapes."""

from diglot.dialects.topmail.formatting import time
from diglot.dialects.topmail.tags import wire as tags_wire
from diglot.model.tags import Tag


def tag(one: Tag) -> tags_wire.Tag:
    """Show a tag."""
    return tags_wire.Tag(
        one.id,
        one.name,
        one.color,
        one.description,
        one.contact_count,
        time(one.created_at),
        time(one.updated_at),
    )
