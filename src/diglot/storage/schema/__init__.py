"""The schema. Every table is led by the workspace, and so is every unique key but those of what opens one.

Keys and sessions are looked up before a workspace is known, so their tables are reference tables (on Citus
too). Instants are microseconds since 1970 in UTC; JSON is text as it was encoded; times are bound, never
now().
"""

from diglot.storage.schema.access import answers, rate_counts, sessions
from diglot.storage.schema.background import leases, verifications
from diglot.storage.schema.base import ExactText, ephemeral_metadata, metadata
from diglot.storage.schema.core import contacts, keys, list_members, lists, segments, workspaces
from diglot.storage.schema.events import events
from diglot.storage.schema.membership import (
    departed_contacts,
    departed_segments,
    membership_log,
    moments,
    pending_members,
    segment_chunks,
    segment_history,
    watched_fields,
)
from diglot.storage.schema.tags import tags
from diglot.storage.schema.webhooks import deliveries, webhooks

__all__ = [
    "ExactText",
    "answers",
    "contacts",
    "deliveries",
    "departed_contacts",
    "departed_segments",
    "ephemeral_metadata",
    "events",
    "keys",
    "leases",
    "list_members",
    "lists",
    "membership_log",
    "metadata",
    "moments",
    "pending_members",
    "rate_counts",
    "segment_chunks",
    "segment_history",
    "segments",
    "sessions",
    "tags",
    "verifications",
    "watched_fields",
    "webhooks",
    "workspaces",
]
