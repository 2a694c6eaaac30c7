"""The fleeting tables of an embedded database: a file of its own beside it, without a sync.

What is counted for every request may not cost what a durable write does. Statements run where the request
is: each touches one row of a table that stays in memory.
"""

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy.schema import CreateTable

from diglot.storage.backends import SQLITE
from diglot.storage.tables import fleeting

SUFFIX: Final = "-fleeting"
BUSY_SECONDS: Final = 1


def open_fleeting(database: Path) -> sqlite3.Connection:
    """Return a connection to the fleeting tables of a database, made where they are missing."""
    connection = sqlite3.connect(
        ":memory:", isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
    )
    connection.execute("ATTACH ? AS fleeting", (str(database) + SUFFIX,))
    connection.execute("PRAGMA fleeting.journal_mode=WAL")
    connection.execute("PRAGMA fleeting.synchronous=OFF")
    for table in fleeting.sorted_tables:
        connection.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=SQLITE.dialect)))
    return connection
