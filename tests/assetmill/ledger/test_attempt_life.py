"""An attempt goes forward step by step, is settled once, and nothing that was written gets lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from assetmill.errors import LedgerError
from assetmill.ledger import Facts, Ledger, Output, Settlement, Status
from assetmill.money import UNKNOWN_COST

REPORTED = (
    "run_id", "game", "asset_id", "asset_type", "candidate", "fingerprint", "provider", "endpoint", "worker_id",
    "gpu", "seed", "workflow_hash", "status", "submitted_at", "started_at", "finished_at", "queue_ms",
    "execution_ms", "download_ms", "finish_ms", "upload_ms", "latency_ms", "price_per_s_usd", "price_source",
    "cost_low_usd", "cost_estimate_usd", "cost_high_usd", "bytes", "width", "height", "sha256", "key",
    "error_class", "error_text", "draft",
)  # fmt: skip


def test_a_whole_life_ends_in_one_row_with_every_figure(books: Any) -> None:
    t0 = books.t0
    books.collect("a1")
    started, finished = t0 + timedelta(seconds=4), t0 + timedelta(seconds=14)
    facts = Facts(started_at=started, finished_at=finished, finish_ms=11, latency_ms=14_500, gpu="L40S")
    books.ledger.settle("a1", books.ending(Status.KEPT, facts=facts))
    [row] = books.ledger.rows()
    assert set(REPORTED) <= set(row)
    expected = {
        "run_id": "run-1",
        "game": "cloud-hop",
        "asset_id": "knight",
        "asset_type": "entity",
        "job_id": "job-a1",
        "worker_id": "w1",
        "gpu": "L40S",
        "seed": 7,
        "status": "kept",
        "submitted_at": t0,
        "started_at": started,
        "finished_at": finished,
        "collected_at": t0,
        "settled_at": t0,
        "queue_ms": 4_000,
        "execution_ms": 10_000,
        "download_ms": 30,
        "finish_ms": 11,
        "upload_ms": 20,
        "latency_ms": 14_500,
        "price_per_s_usd": Decimal("0.00053"),
        "price_source": "price list, 2026-06-08",
        "cost_low_usd": Decimal("0.0053"),
        "cost_estimate_usd": Decimal("0.005777"),
        "cost_high_usd": Decimal("0.024804"),
        "cost_source": "estimated: the endpoint did not say which worker",
        "bytes": 1000,
        "width": 512,
        "height": 768,
        "sha256": books.image.sha256,
        "key": books.image.key,
        "quality_score": 0.9,
        "error_class": None,
        "draft": False,
    }
    assert {name: row[name] for name in expected} == expected


def test_an_intent_is_on_disk_before_its_job_exists(books: Any, ledger_url: str) -> None:
    books.intend("a1")
    with Ledger.open(ledger_url) as another:
        [row] = another.rows()
    assert (row["status"], row["job_id"], row["submitted_at"]) == ("submitting", None, None)


@pytest.mark.parametrize("status", [status for status in Status if status.settled])
def test_a_settled_row_cannot_change_in_any_way(books: Any, status: Status) -> None:
    books.collect("a1")
    books.ledger.settle("a1", books.ending(status))
    before = books.row("a1")
    for again in (status, Status.FAILED, Status.KEPT):
        with pytest.raises(LedgerError, match="settled"):
            books.ledger.settle("a1", books.ending(again, error_text="changed my mind"))
    with pytest.raises(LedgerError, match="settled"):
        books.ledger.submitted("a1", job_id="job-a1", at=books.t0)
    with pytest.raises(LedgerError, match="settled"):
        books.ledger.collected("a1", outputs=(books.image,), at=books.t0)
    assert books.row("a1") == before


def test_of_many_threads_that_settle_one_attempt_exactly_one_succeeds(books: Any) -> None:
    books.collect("a1")
    together = threading.Barrier(8)

    def settle(number: int) -> bool:
        together.wait()
        try:
            books.ledger.settle("a1", books.ending(Status.KEPT, quality_score=number / 10))
        except LedgerError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number, won in enumerate(pool.map(settle, range(8))) if won]
    assert len(winners) == 1
    assert books.row("a1")["quality_score"] == winners[0] / 10


def test_an_attempt_id_is_used_once(books: Any) -> None:
    books.intend("a1")
    with pytest.raises(LedgerError, match="a1 is in the ledger already"):
        books.intend("a1", seed=8)
    assert books.row("a1")["seed"] == 7


def test_a_job_id_may_be_told_twice_but_not_changed(books: Any) -> None:
    books.submit("a1")
    books.ledger.submitted("a1", job_id="job-a1", at=books.t0)
    with pytest.raises(LedgerError, match="a1 is submitted"):
        books.ledger.submitted("a1", job_id="job-other", at=books.t0)
    assert books.row("a1")["job_id"] == "job-a1"


def test_a_job_belongs_to_one_attempt_of_its_endpoint(books: Any) -> None:
    books.submit("a1")
    books.intend("a2")
    books.intend("a3", endpoint="another")
    with pytest.raises(LedgerError, match="belongs to attempt a1") as caught:
        books.ledger.submitted("a2", job_id="job-a1", at=books.t0)
    assert caught.value.job_id == "job-a1"
    books.ledger.submitted("a3", job_id="job-a1", at=books.t0)


def test_attempts_without_a_job_do_not_collide(books: Any) -> None:
    for number in range(3):
        books.intend(f"a{number}")
    assert len(books.ledger.open_attempts()) == 3


def test_a_picture_is_stored_before_it_is_kept_or_rejected(books: Any) -> None:
    books.submit("a1")
    for status in (Status.KEPT, Status.REJECTED):
        with pytest.raises(LedgerError, match="submitted and cannot become"):
            books.ledger.settle("a1", books.ending(status))
    with pytest.raises(LedgerError, match="without any image"):
        books.ledger.collected("a1", outputs=(), at=books.t0)
    books.ledger.collected("a1", outputs=(books.image,), at=books.t0)
    books.ledger.settle("a1", books.ending(Status.REJECTED))
    assert books.row("a1")["status"] == "rejected"


def test_collecting_needs_a_job(books: Any) -> None:
    books.intend("a1")
    with pytest.raises(LedgerError, match="submitting and cannot become collected"):
        books.ledger.collected("a1", outputs=(books.image,), at=books.t0)


@pytest.mark.parametrize("status", (Status.FAILED, Status.LOST, Status.CANCELLED))
def test_an_attempt_can_end_badly_from_every_open_state(books: Any, status: Status) -> None:
    for attempt_id, bring in (("a1", books.intend), ("a2", books.submit), ("a3", books.collect)):
        bring(attempt_id)
        books.ledger.settle(attempt_id, Settlement(status, books.t0, error_class="x"))
        assert books.row(attempt_id)["status"] == status


def test_an_open_status_is_no_ending(books: Any) -> None:
    books.submit("a1")
    with pytest.raises(LedgerError, match="not the end"):
        books.ledger.settle("a1", Settlement(Status.COLLECTED, books.t0))


def test_an_unknown_attempt_or_run_is_an_error(books: Any) -> None:
    with pytest.raises(LedgerError, match="no attempt ghost"):
        books.ledger.settle("ghost", books.ending(Status.FAILED))
    with pytest.raises(LedgerError, match="no run ghost"):
        books.intend("a1", run_id="ghost")
    with pytest.raises(LedgerError, match="no run ghost"):
        books.ledger.end_run("ghost", state="finished", ended_at=books.t0, kept=0, failed=0, cached=0)


def test_what_is_not_known_at_the_end_leaves_what_was_known_before(books: Any) -> None:
    books.collect("a1")
    books.ledger.settle("a1", Settlement(Status.FAILED, books.t0, error_class="result_invalid"))
    row = books.row("a1")
    assert (row["worker_id"], row["execution_ms"], row["key"]) == ("w1", 10_000, books.image.key)
    assert (row["cost_low_usd"], row["cost_high_usd"], row["cost_source"]) == (None, None, UNKNOWN_COST.source)


def test_a_worker_that_drew_a_draft_marks_the_row(books: Any) -> None:
    books.submit("a1")
    books.ledger.collected("a1", outputs=(books.image,), at=books.t0, facts=Facts(draft=True))
    assert books.row("a1")["draft"] is True


def test_several_outputs_add_their_bytes_and_the_main_one_gives_key_and_hash(books: Any) -> None:
    books.submit("a1")
    far = Output("far", "blobs/far.png", "1" * 64, 10, 64, 64)
    near = Output("image", "blobs/image.png", "2" * 64, 20, 64, 64)
    books.ledger.collected("a1", outputs=(far, near), at=books.t0)
    row = books.row("a1")
    assert (row["bytes"], row["key"], row["sha256"]) == (30, "blobs/image.png", "2" * 64)
    [attempt] = books.ledger.open_attempts()
    assert attempt.outputs == {"far": far, "image": near}


def test_two_outputs_of_one_role_are_refused(books: Any) -> None:
    books.submit("a1")
    with pytest.raises(LedgerError, match="role 'image'"):
        books.ledger.collected("a1", outputs=(books.image, books.image), at=books.t0)


def test_an_errors_words_are_bounded_and_writable(books: Any) -> None:
    books.submit("a1")
    words = "bad \x00 \ud800 " + "x" * 5_000
    books.ledger.settle("a1", books.ending(Status.FAILED, error_class="job_failed", error_text=words))
    text = books.row("a1")["error_text"]
    assert len(text) == 2_000
    assert text.startswith("bad \ufffd ? xxx")
    assert text.endswith("…")


def test_credentials_of_an_endpoint_url_are_not_written(books: Any) -> None:
    books.intend("a1", endpoint_url="https://user:topsecret@api.example:8443/v2/ep?key=topsecret#topsecret")
    assert books.row("a1")["endpoint_url"] == "https://api.example:8443/v2/ep"


@pytest.mark.parametrize("seed", (-1, 2**53))
def test_a_seed_that_json_would_round_is_refused(books: Any, seed: int) -> None:
    with pytest.raises(LedgerError, match="2\\*\\*53"):
        books.intend("a1", seed=seed)
    assert books.ledger.rows() == []


def test_the_largest_seed_comes_back_exactly(books: Any) -> None:
    books.intend("a1", seed=2**53 - 1)
    assert books.row("a1")["seed"] == 9_007_199_254_740_991


def test_inputs_that_json_does_not_have_are_refused_and_nothing_is_written(books: Any) -> None:
    with pytest.raises(LedgerError, match="JSON"):
        books.intend("a1", inputs={"weight": float("nan")})
    assert books.ledger.rows() == []


def test_a_run_is_written_when_it_begins_and_when_it_ends(books: Any) -> None:
    ended = books.t0 + timedelta(minutes=3)
    [running] = books.ledger.runs()
    assert (running["state"], running["ended_at"], running["kept"]) == ("running", None, None)
    books.ledger.end_run("run-1", state="finished", ended_at=ended, kept=3, failed=1, cached=26)
    [run] = books.ledger.runs("cloud-hop")
    assert (run["state"], run["ended_at"], run["kept"], run["failed"], run["cached"]) == ("finished", ended, 3, 1, 26)
    with pytest.raises(LedgerError, match="run-1 is in the ledger already"):
        books.begin("run-1")


def test_many_threads_share_one_ledger(books: Any) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(books.keep, [f"a{number}" for number in range(48)]))
    assert len(books.ledger.pictures("cloud-hop")) == 48
    assert books.ledger.open_attempts() == []
