"""Converts tags to Topmail's structs."""

from diglot.dialects.topmail.formatting import format_time
from diglot.dialects.topmail.tags import wire as tags_wire
from diglot.model.tags import Tag


def show_tag(one: Tag) -> tags_wire.Tag:
    """Show a tag."""
    return tags_wire.Tag(
        one.id,
        one.name,
        one.color,
        one.description,
        one.contact_count,
        format_time(one.created_at),
        format_time(one.updated_at),
    )
