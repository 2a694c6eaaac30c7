"""What all tables share."""

from typing import Final

from sqlalchemy import MetaData

from diglot.storage.sql.databases import exact_text

metadata = MetaData()
# State that processes share and a crash may lose, so it is not logged (see `Engine.run_ephemeral`).
ephemeral_metadata = MetaData(schema="ephemeral")

ExactText: Final = exact_text()
