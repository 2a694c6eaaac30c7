"""Converts tags to Topmail's structs."""

from diglot.dialects.topmail.formatting import format_time
from diglot.dialects.topmail.tags import wire as tags_wire
from diglot.model.tags import Tag


def show_tag(tag: Tag) -> tags_wire.Tag:
    """Show a tag."""
    return tags_wire.Tag(
        tag.id,
        tag.name,
        tag.color,
        tag.description,
        tag.contact_count,
        format_time(tag.created_at),
        format_time(tag.updated_at),
    )
