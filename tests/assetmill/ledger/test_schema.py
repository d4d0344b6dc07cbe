"""The migrations make the tables that the code expects, once, and never touch a newer database."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from assetmill.errors import LedgerError
from assetmill.ledger import Ledger
from assetmill.ledger.schema import MIGRATIONS, NEWEST, VERSION_TABLE
from assetmill.ledger.tables import metadata


def test_migrations_and_tables_say_the_same(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger, ledger._database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.db"
    Ledger.open(url).close()
    before = path.read_bytes()
    Ledger.open(url).close()
    assert path.read_bytes() == before


def test_an_up_to_date_ledger_opens_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger.open(url).close()
    program = (
        "import sys; from assetmill.ledger import Ledger; Ledger.open(sys.argv[1]).close()\n"
        "print('alembic' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_prefects_version_table_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE alembic_version (version_num TEXT)")
        raw.execute("INSERT INTO alembic_version VALUES ('of-prefect')")
    Ledger.open(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("of-prefect",)]
        assert raw.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(NEWEST,)]  # noqa: S608  a constant


def test_a_newer_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "ledger.db"
    Ledger.open(url).close()
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608  a constant
    with pytest.raises(LedgerError, match=r"schema 9999.*upgrade this one") as caught:
        Ledger.open(url)
    assert caught.value.exit_code == 5
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [("9999",)]  # noqa: S608  a constant


def test_an_upgrade_that_fails_leaves_no_table_behind(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE finishes (somebody_elses INTEGER)")  # the last one that the migration makes
    with pytest.raises(LedgerError, match="already exists"):
        Ledger.open(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("finishes",)]
