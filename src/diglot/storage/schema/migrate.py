"""Upgrades the schema with alembic; imported only for an upgrade."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from diglot.errors import Misconfigured
from diglot.storage.schema.distribution import list_placements
from diglot.storage.schema.revisions import LATEST, is_behind
from diglot.storage.sql.database import Database, Distributor, Migrator
from diglot.storage.sql.databases import find_database

T = TypeVar("T")
# Upgrades a database, and returns its revision before.
_Upgrade = Callable[[Connection], str | None]
# The revision before, and the tables that were distributed.
_Distributed = tuple[str | None, Sequence[str]]
log: Final = logging.getLogger("diglot.schema")
# Errors of an unusable database besides those of its driver; an unreadable URL raises ValueError.
_DATABASE_ERRORS: Final = (TimeoutError, OSError, ValueError, SQLAlchemyError, CommandError)


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _run_upgrade(
    database: Database,
    report: Callable[[str], None] | None,
    connection: Connection,
    *,
    copy: Callable[[], None] = lambda: None,
) -> str | None:
    before = MigrationContext.configure(connection).get_current_revision()
    if is_behind(before):
        if before is not None:
            copy()
        config = _alembic_config()
        step_done = _ignore if before is None else _log_revision
        config.attributes.update(connection=connection, database=database, report=report or step_done)
        command.upgrade(config, "head")
    return before


async def upgrade_schema(url: str, report: Callable[[str], None] | None = None) -> tuple[str | None, str]:
    """Upgrade a database to the latest revision; return the revisions before and after."""
    before, after, _ = await migrate_schema(url, report)
    return before, after


async def migrate_schema(
    url: str, report: Callable[[str], None] | None = None
) -> tuple[str | None, str, Sequence[str]]:
    """Upgrade a database to the latest revision; if its tables are distributed, all of them are afterwards.

    Return the revisions before and after, and the tables that were not distributed before.

    `report` gets each revision once it is applied, so that a long upgrade is seen to go on; without it, they
    are logged, unless the database is new. All of them are committed together at the end. An embedded
    database is copied first, as it is, to a file next to it that is named after the new revision.
    """
    database = find_database(url)
    migrator = database.load_migrator()
    upgrade = partial(_run_upgrade, database, report, copy=partial(_copy_file, database, url))
    work = partial(_upgrade_and_complete, upgrade, migrator.distributor)
    before, tables = await _run(url, migrator, work, "migrated")
    return before, LATEST, tables


async def distribute_schema(
    url: str, report: Callable[[str], None] | None = None
) -> tuple[str | None, str, Sequence[str]]:
    """Upgrade a database and distribute its tables over the nodes of a cluster, in one transaction.

    Return the revisions before and after, and the tables that were not distributed before. Raise
    `Misconfigured` if the database cannot be distributed; then nothing has changed.
    """
    database = find_database(url)
    migrator = database.load_migrator()
    distributor = migrator.distributor
    if distributor is None:
        raise Misconfigured("this database is on one machine: only PostgreSQL with Citus is distributed")

    work = partial(_upgrade_and_distribute, partial(_run_upgrade, database, report), distributor)
    before, tables = await _run(url, migrator, work, "distributed")
    return before, LATEST, tables


def _upgrade_and_complete(
    upgrade: _Upgrade, distributor: Distributor | None, connection: Connection
) -> _Distributed:
    """Upgrade a database, and distribute what is missing if the others are distributed.

    While there is nothing to do, a node may be away.
    """
    local = None if distributor is None else distributor.find_local(connection, list_placements())
    if distributor is None or local is None:
        return upgrade(connection), ()
    revision = MigrationContext.configure(connection).get_current_revision()
    if not local and not is_behind(revision):
        return revision, ()
    return _upgrade_and_distribute(upgrade, distributor, connection)


def _upgrade_and_distribute(
    upgrade: _Upgrade, distributor: Distributor, connection: Connection
) -> _Distributed:
    distributor.require(connection)
    before = upgrade(connection)
    return before, distributor.distribute(connection, list_placements())


async def _run(url: str, migrator: Migrator, work: Callable[[Connection], T], done: str) -> T:
    """Run a function in a transaction; raise `Misconfigured` if the database cannot be used or refuses."""
    errors: tuple[type[Exception], ...] = (*_DATABASE_ERRORS, *migrator.driver_errors)
    try:
        async with migrator.begin(url) as transaction:
            return await transaction.run_sync(work)
    except errors as error:
        raise Misconfigured(f"the database cannot be {done}: {_error_reason(error)}") from error


def _ignore(_: str) -> None:
    """Say nothing of the revisions of a new database."""


def _copy_file(database: Database, url: str) -> None:
    """Copy an embedded database; nobody else writes, because the upgrade has its lock."""
    if database.embedded is None:
        return
    path = database.embedded.find_file(url)
    first = f"{path}.before-{LATEST}"
    names = chain([first], (f"{first}-{number}" for number in count(2)))
    target = next(target for target in map(Path, names) if not target.exists())
    database.embedded.back_up(path, target, lambda *_: None)
    # A warning, because commands show no less.
    log.warning(
        "before the upgrade to revision %s the database is copied to %s: delete it when you do not need it",
        LATEST,
        target,
    )


def _log_revision(revision: str) -> None:
    log.info("the schema is upgraded to revision %s", revision)


def _error_reason(error: BaseException) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    unread = "its URL cannot be read: " if isinstance(error, ValueError) else ""
    return unread + (str(error).partition("\n")[0] or type(error).__name__)
