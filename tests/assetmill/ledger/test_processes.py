"""Real processes that open, write and die at once: nothing that was acknowledged is lost."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from assetmill.ledger import Ledger, Status
from assetmill.ledger.schema import NEWEST

PROGRAM = Path(__file__).parent / "writer_process.py"


def start(task: str, url: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), task, url, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def say(process: subprocess.Popen[str], *lines: str) -> None:
    """Wait for each of these lines of a process in turn."""
    assert process.stdout is not None
    for line in lines:
        heard = process.stdout.readline().strip()
        assert heard == line, f"{heard!r} instead of {line!r}: {process.stderr.read() if process.stderr else ''}"


def release(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        say(process, "ready")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    answers = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, words[1]) for process, words in zip(processes, answers, strict=True)] == [
        (0, "") for _ in processes
    ]
    return [words[0] for words in answers]


def test_six_processes_may_open_a_new_ledger_at_once(ledger_url: str) -> None:
    processes = [start("open", ledger_url) for _ in range(6)]
    release(processes)
    assert finish(processes) == [f"{NEWEST}\n"] * 6


def test_of_eight_writing_processes_nothing_is_lost(ledger_url: str, books: Any) -> None:
    processes = [start("write", ledger_url, f"p{number}", "12") for number in range(8)]
    release(processes)
    acknowledged = {line for text in finish(processes) for line in text.split()}
    assert len(acknowledged) == 96
    rows = books.ledger.rows(columns=["attempt_id", "status", "job_id", "execution_ms", "settled_at"])
    assert {row["attempt_id"] for row in rows} == acknowledged
    assert {row["status"] for row in rows} == {Status.KEPT}
    assert None not in {row["job_id"] for row in rows} | {row["execution_ms"] for row in rows}


def test_killed_between_intent_and_answer_leaves_the_row(ledger_url: str, books: Any) -> None:
    process = start("intend-and-hang", ledger_url, "doomed")
    release([process])
    say(process, "intended")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    [attempt] = books.ledger.open_attempts()
    assert (attempt.attempt_id, attempt.status, attempt.job_id) == ("doomed", Status.SUBMITTING, None)
    books.ledger.submitted("doomed", job_id="found-again", at=books.t0)
    assert books.ledger.open_attempts()[0].job_id == "found-again"


def test_killed_inside_a_transaction_leaves_nothing_of_it_and_no_lock(ledger_url: str, books: Any) -> None:
    process = start("die-in-transaction", ledger_url, "half")
    release([process])
    say(process, "uncommitted")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert books.ledger.rows() == []
    books.intend("after")
    assert [row["attempt_id"] for row in books.ledger.rows()] == ["after"]


def test_killed_while_writing_at_full_speed_loses_no_acknowledged_step(ledger_url: str, tmp_path: Path) -> None:
    Ledger.open(ledger_url).close()
    process = start("write", ledger_url, "p0", "100000")
    release([process])
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.communicate()[0].split()[:-1]  # the last line may be cut
    with Ledger.open(ledger_url) as ledger:
        kept = {attempt.attempt_id for attempt in ledger.pictures("cloud-hop")}
    assert set(acknowledged) <= kept
    if not ledger_url.startswith("sqlite"):
        return
    with closing(sqlite3.connect(tmp_path / "books" / "ledger.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
