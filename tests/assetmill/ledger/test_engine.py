"""A ledger that cannot be used says why and what to do, with exit code 5 and without a password."""

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assetmill.errors import LedgerError
from assetmill.ledger import Ledger
from assetmill.ledger.engine import open_engine


def refusal(url: str) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    assert caught.value.exit_code == 5
    assert caught.value.hint
    return caught.value


def test_the_folder_is_made(tmp_path: Path) -> None:
    Ledger.open(f"sqlite:///{tmp_path}/a b/100% new/ledger.db").close()
    assert (tmp_path / "a b" / "100% new" / "ledger.db").is_file()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "folder cannot be made" in str(refusal(f"sqlite:///{tmp_path}/file/ledger.db"))


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    assert "cannot be opened or written to" in refusal(f"sqlite:///{tmp_path}/ledger.db").hint


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("holiday pictures\n" * 100)
    assert "something else" in refusal(f"sqlite:///{path}").hint
    assert path.read_text() == "holiday pictures\n" * 100


@pytest.mark.parametrize("url", ("sqlite://", "sqlite:///:memory:"))
def test_an_in_memory_ledger_is_refused(url: str) -> None:
    assert "in-memory" in str(refusal(url))


@pytest.mark.parametrize(
    "url", ("mysql://root:topsecret@host/db", "not a url: topsecret", "nosuch+driver://x/topsecret")
)
def test_other_databases_are_refused_without_repeating_a_password(url: str) -> None:
    assert "topsecret" not in str(refusal(url))


def test_a_missing_postgres_driver_says_what_to_install() -> None:
    # Another interpreter, in which psycopg cannot be found whether it is installed or not.
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from assetmill.errors import LedgerError\n"
        "from assetmill.ledger import Ledger\n"
        "try:\n    Ledger.open('postgresql://me:topsecret@127.0.0.1:1/books')\n"
        "except LedgerError as error:\n    print(error.exit_code, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("5 ")
    assert "pip install 'psycopg[binary]'" in done.stdout
    assert "topsecret" not in done.stdout


def test_the_url_hides_a_password_and_names_the_file(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        assert ledger.url == f"sqlite:///{tmp_path}/ledger.db"


def test_every_connection_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger, ledger._database.read() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}


def test_many_may_switch_a_new_file_to_wal_at_once(tmp_path: Path) -> None:
    """SQLite answers "locked" at once to all but the first; without care one open in eighty fails."""
    crowd = 6
    together = threading.Barrier(crowd)

    def connect(path: Path) -> str:
        engine = open_engine(f"sqlite:///{path}")
        together.wait()
        try:
            with engine.begin() as connection:
                return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar())
        finally:
            engine.dispose()

    with ThreadPoolExecutor(crowd) as pool:
        for number in range(120):
            assert list(pool.map(connect, [tmp_path / f"{number}.db"] * crowd)) == ["wal"] * crowd


def test_reading_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        writer = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        assert ledger.rows() == []
        writer.execute("ROLLBACK")
        writer.close()


def test_a_failed_write_leaves_no_lock_behind(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        with pytest.raises(LedgerError), ledger._database.write() as connection:
            connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, timeout=0)
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        other.close()
