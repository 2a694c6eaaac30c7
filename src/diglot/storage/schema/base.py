"""What all tables share."""

from typing import Final

from sqlalchemy import MetaData, Text
from sqlalchemy.dialects import postgresql

metadata = MetaData()
# State that processes share and a crash may lose: no log is kept of it (see `Engine.fleeting`).
ephemeral_metadata = MetaData(schema="fleeting")

# Compared by code point on PostgreSQL whatever the collation of the database, as SQLite does.
ExactText: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
