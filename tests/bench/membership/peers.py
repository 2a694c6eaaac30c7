"""Stores the same contacts in tables of listmonk's and of Mautic's shape, in separate schemas.

Only the shapes come from these systems: listmonk keeps custom fields in one JSONB column and its audience in
rows of subscriber_lists; Mautic keeps a column for each custom field and tags in rows of a cross table. The
indexes are those of the systems. The status values are Diglot's, and instants in JSONB are numbers, because
these are the cheapest to compare there.
"""

from bench.membership.store import Store
from bench.progress import Progress

_MOMENT = "to_timestamp({} / 1000000.0)"
_FIELDS = (
    *("first_name", "last_name", "company", "source", "engagement_score", "total_opens", "total_clicks"),
    *("total_orders", "total_spent", "last_opened_at"),
)
_ATTRIBUTES = (
    *(("country", "text"), ("city", "text"), ("plan", "text"), ("seats", "integer")),
    *(("ltv", "double precision"), ("is_vip", "boolean"), ("renews_on", "date"), ("note", "text")),
)

_LISTMONK = (
    "DROP SCHEMA IF EXISTS listmonk CASCADE",
    "CREATE SCHEMA listmonk",
    """CREATE TABLE listmonk.subscribers (
        id bigint PRIMARY KEY, uuid uuid NOT NULL UNIQUE, email text NOT NULL, name text NOT NULL,
        attribs jsonb NOT NULL, status text NOT NULL, created_at timestamptz, updated_at timestamptz)""",
    """CREATE TABLE listmonk.subscriber_lists (
        subscriber_id bigint, list_id integer, status text NOT NULL, PRIMARY KEY (subscriber_id, list_id))""",
    f"""INSERT INTO listmonk.subscribers SELECT c.pk, c.id::uuid, c.email,
        coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, ''),
        c.attributes::jsonb || jsonb_build_object('tags', c.tags::jsonb,
            {", ".join(f"'{name}', c.{name}" for name in _FIELDS)}),
        c.status, {_MOMENT.format("c.created_at")}, {_MOMENT.format("c.updated_at")}
        FROM contacts c WHERE c.workspace = $1""",
    """INSERT INTO listmonk.subscriber_lists
        SELECT id, 1, CASE status WHEN 'subscribed' THEN 'confirmed' ELSE 'unsubscribed' END
        FROM listmonk.subscribers""",
    "CREATE UNIQUE INDEX ON listmonk.subscribers (lower(email))",
    "CREATE INDEX ON listmonk.subscribers (created_at)",
    "CREATE INDEX ON listmonk.subscribers (updated_at)",
    "CREATE INDEX ON listmonk.subscribers (id, status)",
    "CREATE INDEX ON listmonk.subscriber_lists (list_id)",
)

_MAUTIC = (
    "DROP SCHEMA IF EXISTS mautic CASCADE",
    "CREATE SCHEMA mautic",
    f"""CREATE TABLE mautic.leads (
        id bigint PRIMARY KEY, email text, status text, firstname text, lastname text, company text,
        source text, points double precision, total_opens bigint, total_clicks bigint, total_orders bigint,
        total_spent double precision, last_active timestamptz, date_added timestamptz,
        date_modified timestamptz, langs text,
        {", ".join(f"{name} {kind}" for name, kind in _ATTRIBUTES)})""",
    "CREATE TABLE mautic.lead_tags (id serial PRIMARY KEY, tag text NOT NULL UNIQUE)",
    """CREATE TABLE mautic.lead_tags_xref (
        lead_id bigint, tag_id integer, PRIMARY KEY (lead_id, tag_id))""",
    f"""INSERT INTO mautic.leads SELECT c.pk, c.email, c.status, c.first_name, c.last_name, c.company,
        c.source, c.engagement_score, c.total_opens, c.total_clicks, c.total_orders, c.total_spent,
        {_MOMENT.format("c.last_opened_at")}, {_MOMENT.format("c.created_at")},
        {_MOMENT.format("c.updated_at")},
        (SELECT string_agg(one, '|') FROM jsonb_array_elements_text(c.attributes::jsonb -> 'langs') one),
        {", ".join(f"(c.attributes::jsonb ->> '{name}')::{kind}" for name, kind in _ATTRIBUTES)}
        FROM contacts c WHERE c.workspace = $1""",
    """INSERT INTO mautic.lead_tags (tag)
        SELECT DISTINCT one FROM contacts c, jsonb_array_elements_text(c.tags::jsonb) one
        WHERE c.workspace = $1""",
    """INSERT INTO mautic.lead_tags_xref SELECT c.pk, t.id
        FROM contacts c, jsonb_array_elements_text(c.tags::jsonb) one
        JOIN mautic.lead_tags t ON t.tag = one WHERE c.workspace = $1""",
    "CREATE INDEX ON mautic.leads (email)",
    "CREATE INDEX ON mautic.leads (date_added)",
    "CREATE INDEX ON mautic.leads (last_active)",
    "CREATE INDEX ON mautic.leads (points)",
    "CREATE INDEX ON mautic.lead_tags_xref (tag_id)",
)
_ANALYZE = tuple(
    f"VACUUM ANALYZE {table}"
    for table in (
        *("listmonk.subscribers", "listmonk.subscriber_lists"),
        *("mautic.leads", "mautic.lead_tags", "mautic.lead_tags_xref"),
    )
)


async def fill_tables(store: Store) -> None:
    """Fill the tables from the main workspace, unless they exist."""
    if await store.raw.value("SELECT to_regclass('mautic.filled') IS NOT NULL"):
        return
    steps = (*_LISTMONK, *_MAUTIC, *_ANALYZE, "CREATE TABLE mautic.filled ()")
    with Progress("tables of the peers' shape", len(steps)) as progress:
        for step in steps:
            values = (store.main.workspace,) if "$1" in step else ()
            await store.raw.run(step, *values)
            progress.step()
