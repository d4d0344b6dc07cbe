"""What plans, resumes, estimates and reports read is what was written, and is read fast enough."""

import hashlib
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from assetmill.errors import LedgerError
from assetmill.ledger import Facts, Finish, Output, RowFilter, Settlement, Status
from assetmill.ledger.tables import attempts, finishes


def test_kept_attempts_come_oldest_first_with_their_inputs_and_outputs(books: Any) -> None:
    t0 = books.t0
    books.keep("late", at=t0 + timedelta(hours=2), candidate=1)
    books.keep("early", at=t0 + timedelta(hours=1), inputs={"prompt": 'a "knight"\n\u2764 {x}', "cells": [1, None]})
    books.keep("elsewhere", game="other")
    books.collect("open")
    early, late = books.ledger.pictures("cloud-hop")
    assert (early.attempt_id, late.attempt_id) == ("early", "late")
    details = books.ledger.details("cloud-hop")
    assert set(details) == {"early", "late"}
    assert details["early"].inputs == {"prompt": 'a "knight"\n\u2764 {x}', "cells": [1, None]}
    assert details["early"].outputs == {"image": books.image}
    assert (late.asset_id, late.candidate, late.draft) == ("knight", 1, False)
    assert late.fingerprint == hashlib.sha256(b"late").hexdigest()


def test_open_attempts_hold_all_it_takes_to_find_and_settle_their_job(books: Any) -> None:
    books.intend("a1")
    books.submit("a2", endpoint="another", expected_outputs={"far": "p_far", "near": "p_near"})
    books.collect("a3", game="other")
    books.keep("a4")
    first, second, third = books.ledger.open_attempts()
    assert [a.status for a in (first, second, third)] == [Status.SUBMITTING, Status.SUBMITTED, Status.COLLECTED]
    assert (first.job_id, first.submitted_at, first.outputs) == (None, None, {})
    assert (second.job_id, second.submitted_at) == ("job-a2", books.t0)
    assert second.expected_outputs == {"far": "p_far", "near": "p_near"}
    assert second.endpoint_url == "https://api.example/v2/ep"
    assert third.outputs == {"image": books.image}
    assert (third.worker_id, third.queue_ms, third.execution_ms) == ("w1", 4_000, 10_000)
    assert third.price_per_s_usd == Decimal("0.00053")
    assert third.inputs == {"prompt": "a knight", "seed": 7}


def test_open_attempts_of_one_game_wherever_they_were_sent(books: Any) -> None:
    books.submit("a1")
    books.submit("a2", endpoint="another")
    books.submit("a3", game="other", endpoint="another")
    assert [a.attempt_id for a in books.ledger.open_attempts(game="cloud-hop")] == ["a1", "a2"]


def finish_of(books: Any, attempt_id: str, fingerprint: str, **quality: Any) -> Finish:
    cut = Output("image", "blobs/cd/cd34.png", "cd34" * 16, 700, 64, 64)
    return Finish(
        attempt_id=attempt_id,
        finish_fingerprint=fingerprint,
        game="cloud-hop",
        run_id="run-1",
        files=(cut,),
        sheet_key="blobs/ee/ee.json",
        inputs={"trim": True},
        quality=quality,
        finished_at=books.t0,
    )


def test_finishes_come_back_as_they_were_recorded(books: Any) -> None:
    books.keep("a1")
    finish = finish_of(books, "a1", "x" * 64, alpha=0.5)
    books.ledger.record_finish(finish)
    books.ledger.record_finish(finish_of(books, "a1", "y" * 64))
    found = books.ledger.finishes("cloud-hop")
    assert set(found) == {("a1", "x" * 64), ("a1", "y" * 64)}
    assert found["a1", "x" * 64] == finish
    assert finish.by_role["image"].bytes == 700
    assert books.ledger.finishes("other") == {}


def test_the_same_finish_replaces_itself(books: Any) -> None:
    books.keep("a1")
    books.ledger.record_finish(finish_of(books, "a1", "x" * 64, alpha=0.5))
    books.ledger.record_finish(finish_of(books, "a1", "x" * 64, alpha=0.75))
    [finish] = books.ledger.finishes("cloud-hop").values()
    assert finish.quality == {"alpha": 0.75}


def test_a_finish_needs_its_attempt(books: Any) -> None:
    with pytest.raises(LedgerError, match="no attempt ghost"):
        books.ledger.record_finish(finish_of(books, "ghost", "x" * 64))


def test_history_holds_jobs_that_made_a_picture_and_never_mixes_drafts_in(books: Any) -> None:
    books.keep("usual", execution_ms=10_000)
    books.keep("wide", execution_ms=20_000, width=1024)
    books.keep("draft", execution_ms=1, draft=True)
    books.submit("failed")
    books.ledger.settle("failed", Settlement(Status.FAILED, books.t0, facts=Facts(execution_ms=3)))
    found = sorted((row.width, row.height, row.execution_ms) for row in books.ledger.history("entity"))
    assert found == [(512, 768, 10_000), (1024, 768, 20_000)]
    assert [row.execution_ms for row in books.ledger.history("entity", draft=True)] == [1]
    assert books.ledger.history("sheet") == []


def test_history_is_newest_first(books: Any) -> None:
    books.keep("old", execution_ms=1, at=books.t0)
    books.keep("new", execution_ms=2, at=books.t0 + timedelta(days=1))
    assert [row.execution_ms for row in books.ledger.history("entity")] == [2, 1]


def test_history_tells_what_the_worker_did_before_and_after_a_job_and_what_the_job_was(books: Any) -> None:
    books.keep("warm", facts=Facts(cold=False, gap_ms=800, execution_ms=9, queue_ms=4))
    [warm] = books.ledger.history("entity")
    assert (warm.cold, warm.gap_ms, warm.start_ms, warm.queue_ms) == (False, 800, None, 4)
    assert (warm.gpu, warm.endpoint_url) == ("ADA_48_PRO", "https://api.example/v2/ep")
    assert warm.inputs["prompt"] == "a knight"


def test_the_first_jobs_of_workers_are_found_whatever_their_workflow(books: Any) -> None:
    first = Facts(cold=True, start_ms=30_000, idle_ms=5_000, execution_ms=9)
    books.keep("one", facts=first)
    books.keep("other", facts=first, workflow="sheet", at=books.t0 + timedelta(days=1))
    books.keep("warm", facts=Facts(cold=False, execution_ms=9))
    books.keep("before", facts=Facts(execution_ms=9))
    books.keep("draft", facts=first, draft=True)
    assert [(row.workflow, row.start_ms, row.idle_ms) for row in books.ledger.starts()] == [
        ("sheet", 30_000, 5_000),
        ("entity", 30_000, 5_000),
    ]
    assert [row.start_ms for row in books.ledger.starts(draft=True)] == [30_000]


def test_rows_can_be_narrowed_by_every_filter(books: Any) -> None:
    t0 = books.t0
    books.begin("run-2")
    books.keep("a1")
    books.submit("a2", run_id="run-2", game="other", intended_at=t0 + timedelta(days=1))
    books.submit("a3", run_id="run-2", intended_at=t0 + timedelta(days=2))

    def ids(**where: Any) -> list[str]:
        return [row["attempt_id"] for row in books.ledger.rows(RowFilter(**where), ["attempt_id"])]

    assert ids() == ["a1", "a2", "a3"]
    assert ids(game="other") == ["a2"]
    assert ids(run_id="run-2") == ["a2", "a3"]
    assert ids(statuses=(Status.KEPT,)) == ["a1"]
    assert ids(since=t0 + timedelta(days=1)) == ["a2", "a3"]
    assert ids(until=t0 + timedelta(days=1)) == ["a1"]


def test_rows_give_the_columns_that_were_asked_for(books: Any) -> None:
    books.keep("a1")
    assert books.ledger.rows(columns=["seed", "status"]) == [{"seed": 7, "status": "kept"}]
    with pytest.raises(LedgerError, match="no column 'colour'"):
        books.ledger.rows(columns=["seed", "colour"])


def test_ten_thousand_kept_attempts_and_their_finishes_are_read_in_a_moment(books: Any) -> None:
    books.keep("a1", inputs={"prompt": "a knight " * 100, "graph": {str(n): [n, "node"] for n in range(50)}})
    row = books.row("a1")
    many = [row | {"attempt_id": f"b{n}", "job_id": f"j{n}", "asset_id": f"asset{n}"} for n in range(10_000)]
    finish = {"finish_fingerprint": "x", "game": "cloud-hop", "run_id": "run-1", "files": row["outputs"]}
    finish |= {"sheet_key": None, "inputs": '{"trim":true}', "quality": "{}", "finished_at": books.t0}
    with books.ledger._database.write() as connection:
        connection.execute(attempts.insert(), many)
        connection.execute(finishes.insert(), [finish | {"attempt_id": f"b{n}"} for n in range(10_000)])

    def seconds(read: Any) -> float:  # processor time; limits are many times the usual, for slow machines
        start = time.process_time()
        assert len(read("cloud-hop")) >= 10_000
        return time.process_time() - start

    assert min(seconds(books.ledger.pictures) for _ in range(3)) < 3
    assert min(seconds(books.ledger.finishes) for _ in range(3)) < 6
