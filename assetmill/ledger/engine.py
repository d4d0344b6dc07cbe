"""The way to the database: settings that lose nothing, and errors that say what to do.

SQLite (one machine, the default) runs in WAL mode with synchronous=FULL, and a writing transaction takes
its lock when it begins: a deferred one finds out too late that somebody else was first. PostgreSQL serves
several machines by URL. An in-memory database is refused, because the ledger exists to outlive a crash.
No transaction may stay open while anything but the database is waited for.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from assetmill.errors import LedgerError

BUSY_TIMEOUT_MS = 30_000
WAL_TRIES = 50
READ_ONLY = "assetmill_read_only"
WHERE = "set ASSETMILL_LEDGER_URL to sqlite:////absolute/path/ledger.db or postgresql+psycopg://host/database"
HINTS = (
    ("not a database", "the file is something else: move it away, or name another file in ASSETMILL_LEDGER_URL"),
    ("malformed", "the file is damaged: keep a copy, and restore it from a backup"),
    ("disk is full", "make room on the disk"),
    ("locked", "another process has held the ledger for 30 s: end it, or wait"),
    ("readonly", "the file or its folder may not be written to"),
    ("unable to open", "the file or its folder cannot be opened or written to"),
    ("connection", "is the database server up, and is ASSETMILL_LEDGER_URL right?"),
)


class Database:
    """An engine and the two kinds of transaction that the ledger makes. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Threads of one process queue here in order; SQLite itself makes them poll for the lock.
        self._turn: AbstractContextManager[Any] = threading.Lock() if is_sqlite(engine) else nullcontext()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a short transaction that writes; it is committed at the end, rolled back on an error.

        Raises:
            LedgerError: the database refused or cannot be reached.
        """
        with self._turn, ledger_errors(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run a short transaction that only reads; on SQLite it waits for no writer.

        Raises:
            LedgerError: the database cannot be read.
        """
        with ledger_errors(), self.engine.connect() as connection:
            connection.execution_options(**{READ_ONLY: True})
            with connection.begin():
                yield connection


def open_engine(url: str) -> Engine:
    """Make an engine for a ledger URL; a SQLite file's folder is created, the file itself on first use.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql+psycopg://...`.

    Raises:
        LedgerError: not a URL of a database that can hold a ledger, or its folder or driver is missing.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _make_folder(parsed)
        engine = create_engine(parsed, hide_parameters=True)
        _prepare_sqlite(engine)
        return engine
    try:
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    except (ImportError, NoSuchModuleError) as error:
        raise LedgerError(
            f"the ledger's database driver cannot be loaded: {error}", hint="pip install 'psycopg[binary]'"
        ) from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the text is not repeated: it may hold a password
        raise LedgerError("ASSETMILL_LEDGER_URL is not a database URL", hint=WHERE) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise LedgerError(f"a ledger cannot be kept in {backend!r}", hint=WHERE)
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerError("an in-memory ledger would forget what was paid for", hint=WHERE)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _make_folder(url: URL) -> None:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"the ledger's folder cannot be made: {folder} ({error.strerror})", hint=WHERE) from error


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: sqlite3.Connection, _record: object) -> None:
        dbapi_connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")  # first: the next lines may have to wait
        _use_wal(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _use_wal(cursor: sqlite3.Cursor) -> None:
    # Of several processes that open a new file at once, SQLite lets one switch and tells the others
    # "locked" without waiting, whatever the busy timeout: they wait for its lock and ask again.
    for _ in range(WAL_TRIES):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            cursor.execute("BEGIN IMMEDIATE")  # this one does wait
            cursor.execute("COMMIT")
        else:
            return
    raise sqlite3.OperationalError("database is locked")


def is_sqlite(engine: Engine) -> bool:
    """Whether the ledger is a SQLite file."""
    return engine.dialect.name == "sqlite"


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Turn the database's errors into LedgerError, without statements and their parameters."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        if isinstance(cause, LedgerError):  # a column type refused a value
            raise cause from None
        words = " ".join(str(cause).split())
        hint = next((hint for sign, hint in HINTS if sign in words.lower()), "")
        raise LedgerError(f"the ledger cannot be used: {words}", hint=hint) from error
