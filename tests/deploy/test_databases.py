"""deploy/postgres.sql on a real server: two roles, two databases, and neither looks into the other's."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest


def connect(databases, role: str, database: str, password: str) -> psycopg.Connection:
    return psycopg.connect(host="127.0.0.1", port=databases.port, user=role, dbname=database, password=password)


@pytest.fixture
def password(passwords):
    return {"prefect": passwords["PREFECT_DB_PASSWORD"], "ledger": passwords["LEDGER_DB_PASSWORD"]}


@pytest.mark.parametrize("name", ("prefect", "ledger"))
def test_each_role_makes_tables_in_its_own_database(name, databases, password):
    with closing(connect(databases, name, name, password[name])) as connection:
        connection.execute("CREATE TABLE tried (number integer)")
        assert connection.execute("SELECT current_setting('transaction_isolation')").fetchone() == ("read committed",)


@pytest.mark.parametrize(("role", "database"), (("prefect", "ledger"), ("ledger", "prefect")))
def test_neither_role_gets_into_the_other_database(role, database, databases, password):
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(databases, role, database, password[role])


def test_neither_role_administers_anything(databases):
    rows = databases.say(
        "SELECT rolname FROM pg_roles WHERE rolname IN ('prefect', 'ledger')"
        " AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"
    )
    assert sorted(rows) == [("ledger",), ("prefect",)]
