"""Brings a database to the newest schema when it is opened, however many processes open it at once.

The whole upgrade is one transaction under one lock. Migrations only ever add: an older assetmill that is
still running keeps working. A database that is newer than this code is refused rather than misread. The
version table has its own name, because Prefect keeps alembic's default one in a database we may share.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table, text

from assetmill.errors import LedgerError
from assetmill.ledger.engine import Database, is_sqlite

VERSION_TABLE = "assetmill_alembic_version"
NEWEST = "0005"
MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x61737365746D696C
"""Key of the PostgreSQL lock: "assetmil" in ASCII, so that nobody else's number is hit by chance."""

# alembic reaches the current migration through module globals: one upgrade at a time in a process.
_alembic_in_use = threading.Lock()


def upgrade(database: Database) -> None:
    """Create or upgrade the tables; does nothing, and does not even load alembic, when they are current.

    Raises:
        LedgerError: the schema is newer than this code, or the database cannot be used.
    """
    with database.read() as connection:
        if current_revision(connection) == NEWEST:
            return
    with _alembic_in_use, database.write() as connection:
        if not is_sqlite(database.engine):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        _upgrade_locked(connection)


def current_revision(connection: Connection) -> str | None:
    """Revision of the tables, None for a database that has none of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    versions = table(VERSION_TABLE, column("version_num"))
    revision: str | None = connection.execute(select(versions.c.version_num)).scalar()
    return revision


def _upgrade_locked(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  slow to load, and needed once in a ledger's life
    from alembic.config import Config  # noqa: PLC0415  as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415  as above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = current_revision(connection)
    if current is not None and current not in known:
        raise LedgerError(
            f"the ledger has schema {current}, this assetmill knows up to {NEWEST}",
            hint="it was written by a newer assetmill: upgrade this one",
        )
    command.upgrade(config, "head")
