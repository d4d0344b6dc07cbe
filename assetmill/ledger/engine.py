"""The way to the database: settings that lose nothing, and errors that say what to do.

SQLite (one machine, the default) runs in WAL mode with synchronous=FULL, and a writing transaction takes
its lock when it begins: a deferred one finds out too late that somebody else was first. PostgreSQL serves
several machines by URL: it lets writers in side by side, so whoever must be alone takes a lock; a server that
goes away for a moment is waited for, and what it took back is done again. An in-memory database is refused,
because the ledger exists to outlive a crash. No transaction may stay open while anything but the database is
waited for.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from assetmill.errors import LedgerError

BUSY_TIMEOUT_MS = 30_000
WAL_TRIES = 50
READ_ONLY = "assetmill_read_only"
WHERE = "set ASSETMILL_LEDGER_URL to sqlite:////absolute/path/ledger.db or postgresql+psycopg://host/database"
POSTGRES_NAMES = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
"""How others write the address of a PostgreSQL: Prefect names another driver for the same server."""

CONNECTING: Final[Mapping[str, str]] = {"application_name": "assetmill", "connect_timeout": "10"}
SESSION: Final = "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'"
"""As long as SQLite waits; and what a machine that went away in mid-transaction had locked is free after a minute."""

WAITS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 7.0)
"""Pauses before a server that has gone away is asked again, 30 s together: a restart takes a few."""

HINTS = (
    ("not a database", "the file is something else: move it away, or name another file in ASSETMILL_LEDGER_URL"),
    ("malformed", "the file is damaged: keep a copy, and restore it from a backup"),
    ("disk is full", "make room on the disk"),
    ("locked", "another process has held the ledger for 30 s: end it, or wait"),
    ("readonly", "the file or its folder may not be written to"),
    ("unable to open", "the file or its folder cannot be opened or written to"),
    ("lock timeout", "another process has held the ledger for 30 s: end it, or wait"),
    ("password authentication", "user or password in ASSETMILL_LEDGER_URL is wrong"),
    ("permission denied", "the ledger's user must own its database, or be granted CREATE on its schema"),
    ("read-only transaction", "ASSETMILL_LEDGER_URL names a standby: name the server that takes writes"),
    ("too many clients", "every run holds a few connections: raise max_connections of the server"),
    ("connection slots", "every run holds a few connections: raise max_connections of the server"),
    ("does not exist", "create it on the server first, or name another one in ASSETMILL_LEDGER_URL"),
    ("duplicate key", "ids are used once: another process was first"),
    ("resolve host", "is the name of the server in ASSETMILL_LEDGER_URL right?"),
    ("no space left", "make room on the server's disk"),
    ("connection", "is the database server up, and is ASSETMILL_LEDGER_URL right?"),
)


class Database:
    """An engine and the two kinds of transaction that the ledger makes. Safe to share between threads.

    Args:
        engine: the way to the database.
        wait: lets this many seconds pass in the calling thread.
    """

    def __init__(self, engine: Engine, wait: Callable[[float], object] | None = None) -> None:
        self.engine = engine
        self._wait = wait or threading.Event().wait
        self._reached = False
        # Threads of one process queue here in order; SQLite itself makes them poll for the lock.
        self._turn: AbstractContextManager[Any] = threading.Lock() if is_sqlite(engine) else nullcontext()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a short transaction that writes; it is committed at the end, rolled back on an error.

        Raises:
            LedgerError: the database refused or cannot be reached.
        """
        with self._turn, ledger_errors(), self._connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Run a short transaction that only reads, and sees one moment of the database; it waits for no writer.

        Raises:
            LedgerError: the database cannot be read.
        """
        with ledger_errors(), self._connect() as connection:
            if is_sqlite(self.engine):
                connection.execution_options(**{READ_ONLY: True})
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def _connect(self) -> Connection:
        """A connection; a server that was there before is waited for, one that never was is not."""
        waits = iter(WAITS_S if self._reached and not is_sqlite(self.engine) else ())
        while True:
            try:
                connection = self.engine.connect()
            except OperationalError:
                pause_s = next(waits, None)
                if pause_s is None:
                    raise
                self._wait(pause_s)
            else:
                self._reached = True
                return connection


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
    return _postgres_engine(parsed)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the text is not repeated: it may hold a password
        raise LedgerError("ASSETMILL_LEDGER_URL is not a database URL", hint=WHERE) from None
    if parsed.drivername in POSTGRES_NAMES:
        parsed = parsed.set(drivername="postgresql+psycopg")
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise LedgerError(f"a ledger cannot be kept in {backend!r}", hint=WHERE)
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerError("an in-memory ledger would forget what was paid for", hint=WHERE)
    return parsed


def _make_folder(url: URL) -> None:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"the ledger's folder cannot be made: {folder} ({error.strerror})", hint=WHERE) from error


def _postgres_engine(url: URL) -> Engine:
    """Transactions see what others have committed by each statement: a check behind a lock relies on that."""
    ours = {name: value for name, value in CONNECTING.items() if name not in url.query}
    try:
        engine = create_engine(
            url, hide_parameters=True, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=ours
        )
    except (ImportError, NoSuchModuleError) as error:
        raise LedgerError(
            f"the ledger's database driver cannot be loaded: {error}", hint="pip install 'psycopg[binary]'"
        ) from error

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.execute(SESSION)
        dbapi_connection.commit()

    return engine


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
