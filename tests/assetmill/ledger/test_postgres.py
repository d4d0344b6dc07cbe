"""What is special about a ledger on a PostgreSQL server: it may restart, and it lets writers in side by side."""

import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, text

from assetmill.errors import AlreadyTaken, ClaimLost, LedgerError
from assetmill.ledger import Ledger, Status
from assetmill.ledger.engine import WAITS_S
from assetmill.ledger.schema import ADVISORY_LOCK, NEWEST

PROGRAM = Path(__file__).parent / "writer_process.py"
CUT_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
CUT_MYSELF = "SELECT pg_terminate_backend(pg_backend_pid())"
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'"


@pytest.fixture
def url(postgres: Any) -> str:
    return str(postgres.url("ledger"))


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def never(_seconds: float) -> None:
    raise AssertionError("nothing was to be waited for")


def until_waiting(postgres: Any, url: str, count: int = 1) -> None:
    for _ in range(600):
        if len(postgres.say(WAITING.format(name_of(url)))) == count:
            return
        Event().wait(0.1)
    raise AssertionError(f"there were never {count} that wait for a lock")


def refusal(url: str) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url, wait=never)
    assert caught.value.exit_code == 5
    assert "made-up-postgres-password" not in f"{caught.value} {caught.value.hint}"
    return caught.value


def test_processes_that_open_a_new_ledger_at_once_make_its_tables_one_after_another(postgres: Any, url: str) -> None:
    command = [sys.executable, str(PROGRAM), "open", url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        for process in processes:
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("go\n")
            process.stdin.flush()
        until_waiting(postgres, url, count=3)
    assert [process.communicate() for process in processes] == [(f"{NEWEST}\n", "")] * 3


def test_an_address_may_be_written_as_others_write_it(url: str, open_books: Callable[[Ledger], Any]) -> None:
    with Ledger.open(url) as ledger:
        open_books(ledger).intend("a")
    for scheme in ("postgres", "postgresql", "postgresql+asyncpg"):
        with Ledger.open(re.sub(r"^[^:]+", scheme, url)) as ledger:
            assert [one.attempt_id for one in ledger.open_attempts()] == ["a"]
            assert "made-up-postgres-password" not in ledger.url


def test_an_address_that_leads_nowhere_is_told_at_once_and_says_what_to_do(url: str) -> None:
    assert "password" in refusal(url.replace("-password@", "-password-of-old@")).hint
    assert "create it" in refusal(f"{url}_and_none").hint
    assert "server up" in refusal(re.sub(r":\d+/", ":1/", url)).hint


def test_a_user_who_may_not_make_tables_is_told_which_right_is_missing(postgres: Any, url: str) -> None:
    postgres.say("CREATE ROLE guest LOGIN PASSWORD 'made-up-guest'")
    address = re.sub(r"//[^@]+@", "//guest:made-up-guest@", url)
    assert "CREATE" in refusal(address).hint


def test_connections_that_were_cut_between_two_steps_are_made_again(
    postgres: Any, url: str, open_books: Callable[[Ledger], Any]
) -> None:
    with Ledger.open(url, wait=never) as ledger:
        books = open_books(ledger)
        books.intend("a")
        postgres.say(CUT_OTHERS.format(name_of(url)))
        books.ledger.submitted("a", job_id="j", at=books.t0)
        postgres.say(CUT_OTHERS.format(name_of(url)))
        assert books.row("a")["job_id"] == "j"


def test_a_server_that_has_gone_away_is_waited_for(
    postgres: Any, url: str, open_books: Callable[[Ledger], Any]
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            postgres.say(f'ALTER DATABASE "{name_of(url)}" ALLOW_CONNECTIONS true')

    with Ledger.open(url, wait=wait) as ledger:
        books = open_books(ledger)
        postgres.say(f'ALTER DATABASE "{name_of(url)}" ALLOW_CONNECTIONS false')
        postgres.say(CUT_OTHERS.format(name_of(url)))
        books.intend("a")
        assert [one.attempt_id for one in ledger.open_attempts()] == ["a"]
    assert waited == list(WAITS_S[:3])


def test_a_server_that_does_not_come_back_is_given_up(
    postgres: Any, url: str, open_books: Callable[[Ledger], Any]
) -> None:
    waited: list[float] = []
    with Ledger.open(url, wait=waited.append) as ledger:
        books = open_books(ledger)
        postgres.say(f'ALTER DATABASE "{name_of(url)}" ALLOW_CONNECTIONS false')
        postgres.say(CUT_OTHERS.format(name_of(url)))
        with pytest.raises(LedgerError) as caught:
            books.intend("a")
    assert caught.value.hint
    assert waited == list(WAITS_S)
    assert 20 < sum(waited) < 60


def test_a_step_that_is_cut_off_before_its_commit_is_done_again_and_once(
    url: str, open_books: Callable[[Ledger], Any]
) -> None:
    with Ledger.open(url) as ledger:
        books, cut = open_books(ledger), []

        @event.listens_for(ledger._database.engine, "after_cursor_execute")
        def inserted(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.startswith("INSERT INTO attempts") and not cut:
                cut.append(statement)
                cursor.execute(CUT_MYSELF)

        books.intend("a")
        assert len(cut) == 1
        assert [row["attempt_id"] for row in ledger.rows()] == ["a"]


def test_a_step_whose_commit_has_no_answer_is_said_again_only_where_that_does_no_harm(
    postgres: Any, url: str, open_books: Callable[[Ledger], Any]
) -> None:
    with Ledger.open(url) as ledger:
        books, cuts = open_books(ledger), [0]

        @event.listens_for(ledger._database.engine, "commit")
        def committing(_connection: Any) -> None:
            if cuts[0]:
                cuts[0] -= 1
                postgres.say(CUT_OTHERS.format(name_of(url)))

        books.intend("a")
        cuts[0] = 1
        ledger.submitted("a", job_id="j", at=books.t0)
        assert books.row("a")["job_id"] == "j"
        cuts[0] = 1
        with pytest.raises(LedgerError) as caught:
            books.intend("b")
        assert "server up" in caught.value.hint


def test_a_restart_in_the_middle_of_many_steps_loses_nothing_that_was_acknowledged(
    own_postgres: Any, open_books: Callable[[Ledger], Any]
) -> None:
    acknowledged: list[str] = []
    refused: list[LedgerError] = []
    under_way, over = Event(), Event()
    with Ledger.open(own_postgres.url("ledger")) as ledger:
        books = open_books(ledger)

        def write() -> None:
            while not over.is_set():
                attempt_id = f"a{len(acknowledged) + len(refused)}"
                try:
                    books.keep(attempt_id)
                except LedgerError as error:  # cut off in the very commit
                    refused.append(error)
                else:
                    acknowledged.append(attempt_id)
                if len(acknowledged) == 10:
                    under_way.set()

        writer = Thread(target=write)
        writer.start()
        assert under_way.wait(60)
        own_postgres.stop()
        before = len(acknowledged)
        own_postgres.start()
        while len(acknowledged) < before + 10 and writer.is_alive():
            writer.join(0.05)
        over.set()
        writer.join()
        assert len(refused) <= 1
        kept = {row["attempt_id"] for row in ledger.rows() if row["status"] == Status.KEPT}
    assert set(acknowledged) <= kept


def test_one_pays_even_where_the_server_shows_each_writer_only_what_was_there_when_it_began(
    url: str, open_books: Callable[[Ledger], Any]
) -> None:
    address = f"{url}?options=-cdefault_transaction_isolation%3Drepeatable%5C%20read"
    with Ledger.open(address) as ledger:
        books = open_books(ledger)
        with ledger._database.read() as connection:
            assert connection.execute(text("SHOW default_transaction_isolation")).scalar() == "repeatable read"
        together = Barrier(8)

        def pay(number: int) -> str:
            intent = books.intent(f"a{number}", fingerprint="same")
            together.wait()
            try:
                ledger.intend(intent)
            except AlreadyTaken as taken:
                return taken.attempt_id
            return intent.attempt_id

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(pay, range(8)))
        assert len(answers) == 1
        assert {row["attempt_id"] for row in ledger.rows()} == answers


def test_a_job_id_that_arrives_while_another_settles_the_attempt_is_not_lost(
    postgres: Any, url: str, open_books: Callable[[Ledger], Any]
) -> None:
    with Ledger.open(url) as ledger, ThreadPoolExecutor(1) as pool:
        books = open_books(ledger)
        books.intend("a")
        with ledger._database.write() as other:
            other.execute(text("UPDATE attempts SET status = 'failed', owner = 'settler' WHERE attempt_id = 'a'"))
            said = pool.submit(ledger.submitted, "a", job_id="j", at=books.t0, by="run-1")
            until_waiting(postgres, url)
        with pytest.raises(ClaimLost):
            said.result(30)
        assert (books.row("a")["job_id"], books.row("a")["status"]) == ("j", "failed")


def test_two_who_restore_the_same_receipt_do_not_stand_in_each_others_way(
    url: str, open_books: Callable[[Ledger], Any], postgres: Any
) -> None:
    with Ledger.open(url) as ledger:
        books = open_books(ledger)
        books.collect("a")
        receipt = ledger.receipt("a", books.ending(Status.KEPT))
    with Ledger.open(postgres.url("ledger")) as fresh, ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(fresh.restore, [receipt] * 4)) == [False, False, False, True]
        assert [row["status"] for row in fresh.rows()] == [Status.KEPT]


def test_a_question_sees_one_moment_and_can_change_nothing(url: str, open_books: Callable[[Ledger], Any]) -> None:
    def count(connection: Connection) -> Any:
        return connection.execute(text("SELECT count(*) FROM attempts")).scalar()

    with Ledger.open(url) as ledger:
        books = open_books(ledger)
        with ledger._database.read() as connection:
            assert count(connection) == 0
            books.intend("a")
            assert count(connection) == 0
        with pytest.raises(LedgerError), ledger._database.read() as connection:
            connection.execute(text("DELETE FROM attempts"))
        assert [row["attempt_id"] for row in ledger.rows()] == ["a"]


def test_what_a_machine_that_went_away_had_locked_comes_free(url: str) -> None:
    with Ledger.open(url) as ledger, ledger._database.read() as connection:
        shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in (
            "idle_in_transaction_session_timeout", "lock_timeout", "application_name",
        )]  # fmt: skip
    assert shown == ["1min", "30s", "assetmill"]
