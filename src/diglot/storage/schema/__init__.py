"""The schema. The workspace leads every table and every unique key, except those that authenticate.

Profiles of workspaces, keys and sessions are looked up before a workspace is known, so their tables are
reference tables on Citus (see `distribution`). Instants are microseconds since 1970 in UTC; JSON is stored as
encoded text; times are bound values, never now().
"""

from diglot.storage.schema.access import idempotent_responses, rate_counts, sessions
from diglot.storage.schema.attribute_keys import attribute_keys
from diglot.storage.schema.background import leases, verifications
from diglot.storage.schema.base import ExactText, ephemeral_metadata, metadata
from diglot.storage.schema.core import (
    contacts,
    keys,
    list_members,
    lists,
    segments,
    workspace_profiles,
    workspaces,
)
from diglot.storage.schema.events import event_names, event_states, events
from diglot.storage.schema.imports import import_chunks, import_jobs, import_rejects
from diglot.storage.schema.membership import (
    deleted_contacts,
    deleted_segments,
    field_instants,
    indexed_fields,
    membership_log,
    membership_log_counts,
    membership_log_sums,
    pending_members,
    segment_chunks,
)
from diglot.storage.schema.tags import tags
from diglot.storage.schema.webhooks import deliveries, webhook_sources, webhooks

__all__ = [
    "ExactText",
    "attribute_keys",
    "contacts",
    "deleted_contacts",
    "deleted_segments",
    "deliveries",
    "ephemeral_metadata",
    "event_names",
    "event_states",
    "events",
    "field_instants",
    "idempotent_responses",
    "import_chunks",
    "import_jobs",
    "import_rejects",
    "indexed_fields",
    "keys",
    "leases",
    "list_members",
    "lists",
    "membership_log",
    "membership_log_counts",
    "membership_log_sums",
    "metadata",
    "pending_members",
    "rate_counts",
    "segment_chunks",
    "segments",
    "sessions",
    "tags",
    "verifications",
    "webhook_sources",
    "webhooks",
    "workspace_profiles",
    "workspaces",
]
