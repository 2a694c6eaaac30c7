"""What all tables share."""

from typing import Final

from sqlalchemy import MetaData

from diglot.storage.sql.databases import exact_text

metadata = MetaData()
# State that processes share and a crash may lose: no log is kept of it (see `Engine.run_ephemeral`).
ephemeral_metadata = MetaData(schema="ephemeral")

ExactText: Final = exact_text()
