"""Upgrades the schema with alembic; imported only for an upgrade."""

from functools import partial
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from diglot.errors import Misconfigured
from diglot.storage.schema.revisions import LATEST, is_behind
from diglot.storage.sql.database import Database
from diglot.storage.sql.databases import find_database

# Errors of an unusable database besides those of its driver; an unreadable URL raises ValueError.
_DATABASE_ERRORS: Final = (TimeoutError, OSError, ValueError, SQLAlchemyError, CommandError)


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _run_upgrade(database: Database, connection: Connection) -> str | None:
    before = MigrationContext.configure(connection).get_current_revision()
    if is_behind(before):
        config = _alembic_config()
        config.attributes.update(connection=connection, database=database)
        command.upgrade(config, "head")
    return before


async def upgrade_schema(url: str) -> tuple[str | None, str]:
    """Upgrade a database to the latest revision; return the revisions before and after."""
    database = find_database(url)
    migrator = database.load_migrator()
    errors: tuple[type[Exception], ...] = (*_DATABASE_ERRORS, *migrator.driver_errors)
    try:
        async with migrator.begin(url) as transaction:
            return await transaction.run_sync(partial(_run_upgrade, database)), LATEST
    except errors as error:
        raise Misconfigured(f"the database cannot be migrated: {_error_reason(error)}") from error


def _error_reason(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    unread = "its URL cannot be read: " if isinstance(error, ValueError) else ""
    return unread + (str(error).partition("\n")[0] or type(error).__name__)
