"""An attempt is looked after by one process at a time, and by none for longer than it lives."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import ClaimLost, LedgerError
from assetmill.ledger import Claim, Output, Owner, Status, is_gone, place_of_this_process

EVERY_DATABASE = True
PROGRAM = Path(__file__).parent / "racing_process.py"
MINUTE = timedelta(minutes=1)
IMAGE = Output("image", "blobs/ab/ab12.png", "ab12" * 16, 1000, 512, 768)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def claim_of(books: Any, owner: str, *, minutes: int = 2) -> Claim:
    return Claim(owner, "elsewhere/1/1", books.t0 + minutes * MINUTE)


def claimed(books: Any, attempt_id: str, owner: str = "run-1") -> str:
    books.ledger.intend(books.intent(attempt_id), claim_of(books, owner))
    return attempt_id


def test_an_owner_claims_for_as_long_as_its_lease(books):
    claim = Owner("run-1", "here", 90).claim(books.t0)
    assert claim == Claim("run-1", "here", books.t0 + timedelta(seconds=90))


def test_an_intended_attempt_is_its_senders_until_its_time_is_up(books):
    claimed(books, "a")
    [attempt] = books.ledger.open_attempts()
    assert (attempt.owner, attempt.owner_place) == ("run-1", "elsewhere/1/1")
    assert attempt.claimed_until == books.t0 + 2 * MINUTE


def test_an_attempt_of_nobody_can_be_taken(books):
    books.intend("a")
    assert books.ledger.claim("a", claim_of(books, "settler"), now=books.t0)
    assert books.ledger.open_attempts()[0].owner == "settler"


def test_an_attempt_whose_owner_lives_cannot_be_taken(books):
    claimed(books, "a")
    for now in (books.t0, books.t0 + 2 * MINUTE):  # to the last moment
        assert not books.ledger.claim("a", claim_of(books, "settler", minutes=9), now=now)
    assert books.ledger.open_attempts()[0].owner == "run-1"


def test_an_attempt_whose_claim_ran_out_can_be_taken(books):
    claimed(books, "a")
    late = books.t0 + 2 * MINUTE + timedelta(microseconds=1)
    assert books.ledger.claim("a", claim_of(books, "settler", minutes=9), now=late)


def test_an_attempt_of_an_owner_that_is_gone_can_be_taken_at_once(books):
    claimed(books, "a")
    assert not books.ledger.claim("a", claim_of(books, "settler"), now=books.t0, gone="run-2")
    assert books.ledger.claim("a", claim_of(books, "settler"), now=books.t0, gone="run-1")


def test_an_attempt_that_its_owner_released_meanwhile_can_be_taken_by_who_saw_another_one_go(books):
    claimed(books, "a")
    books.ledger.release("run-1", books.t0)
    assert books.ledger.claim("a", claim_of(books, "settler"), now=books.t0, gone="run-1")


def test_of_two_that_saw_the_same_owner_go_one_takes_over(books):
    claimed(books, "a")
    assert books.ledger.claim("a", claim_of(books, "first"), now=books.t0, gone="run-1")
    assert not books.ledger.claim("a", claim_of(books, "second"), now=books.t0, gone="run-1")


def test_claiming_ones_own_attempt_again_makes_it_good_for_longer(books):
    claimed(books, "a")
    assert books.ledger.claim("a", claim_of(books, "run-1", minutes=9), now=books.t0)
    assert books.ledger.open_attempts()[0].claimed_until == books.t0 + 9 * MINUTE


def test_a_settled_attempt_belongs_to_the_past(books):
    books.keep("a")
    assert not books.ledger.claim("a", claim_of(books, "settler"), now=books.t0)
    assert books.row("a")["owner"] is None


def test_renewing_prolongs_ones_own_open_attempts_and_no_others(books):
    for attempt_id in ("a", "b", "done"):
        claimed(books, attempt_id)
    claimed(books, "foreign", owner="run-2")
    books.ledger.settle("done", books.ending(Status.CANCELLED))
    assert books.ledger.renew(claim_of(books, "run-1", minutes=7)) == 2
    until = {name: books.row(name)["claimed_until"] for name in ("a", "b", "done", "foreign")}
    assert until == {
        "a": books.t0 + 7 * MINUTE,
        "b": books.t0 + 7 * MINUTE,
        "done": books.t0 + 2 * MINUTE,
        "foreign": books.t0 + 2 * MINUTE,
    }


def test_what_is_released_can_be_taken_at_once_and_the_rest_cannot(books):
    claimed(books, "mine")
    claimed(books, "foreign", owner="run-2")
    books.ledger.release("run-1", books.t0)
    assert books.ledger.claim("mine", claim_of(books, "settler"), now=books.t0)
    assert not books.ledger.claim("foreign", claim_of(books, "settler"), now=books.t0)


def test_a_former_owner_neither_collects_nor_settles(books):
    claimed(books, "a")
    books.ledger.submitted("a", job_id="job-a", at=books.t0, by="run-1")
    books.ledger.claim("a", claim_of(books, "settler"), now=books.t0, gone="run-1")
    with pytest.raises(ClaimLost, match="settler"):
        books.ledger.collected("a", outputs=(IMAGE,), at=books.t0, by="run-1")
    assert books.row("a")["status"] == Status.SUBMITTED
    books.ledger.collected("a", outputs=(IMAGE,), at=books.t0, by="settler")
    with pytest.raises(ClaimLost):
        books.ledger.settle("a", books.ending(Status.KEPT), by="run-1")
    with pytest.raises(ClaimLost):
        books.ledger.settle_as(books.ledger.receipt("a", books.ending(Status.KEPT)), by="run-1")
    assert books.row("a")["status"] == Status.COLLECTED
    books.ledger.settle("a", books.ending(Status.KEPT), by="settler")
    assert books.row("a")["status"] == Status.KEPT


def test_settling_twice_is_refused_to_the_owner_and_lost_to_the_former_one(books):
    claimed(books, "a")
    books.ledger.claim("a", claim_of(books, "settler"), now=books.t0, gone="run-1")
    books.ledger.settle("a", books.ending(Status.FAILED), by="settler")
    with pytest.raises(LedgerError, match="settled") as caught:
        books.ledger.settle("a", books.ending(Status.LOST), by="settler")
    assert not isinstance(caught.value, ClaimLost)
    with pytest.raises(ClaimLost):
        books.ledger.settle("a", books.ending(Status.LOST), by="run-1")
    assert books.row("a")["status"] == Status.FAILED


def test_a_former_owner_still_writes_down_the_job_that_only_it_knows(books):
    claimed(books, "a")
    books.ledger.claim("a", claim_of(books, "settler"), now=books.t0, gone="run-1")
    with pytest.raises(ClaimLost) as caught:
        books.ledger.submitted("a", job_id="job-a", at=books.t0, by="run-1")
    assert caught.value.job_id == "job-a"
    [attempt] = books.ledger.open_attempts()
    assert (attempt.job_id, attempt.status, attempt.owner) == ("job-a", Status.SUBMITTED, "settler")


def test_of_processes_that_race_for_one_attempt_exactly_one_gets_it(ledger_url, books):
    books.intend("contested")
    racers = {name: start("claim", ledger_url, name) for name in ("one", "two", "three", "four")}
    assert [heard(process) for process in racers.values()] == ["ready"] * 4
    for process in racers.values():
        tell(process)
    got = {name: process.communicate(timeout=60)[0].strip() for name, process in racers.items()}
    winners = [name for name, words in got.items() if words == "mine"]
    assert sorted(got.values()) == ["mine", "not mine", "not mine", "not mine"]
    assert books.ledger.open_attempts()[0].owner == winners[0]


def test_a_process_that_lives_is_not_gone_and_a_killed_one_is_even_before_it_is_reaped():
    process = start("live")
    place = heard(process)
    assert not is_gone(place)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the list of processes
    assert is_gone(place)
    process.communicate()
    assert is_gone(place)


def test_this_process_is_where_it_says():
    place = place_of_this_process()
    assert not is_gone(place)
    assert f"/{os.getpid()}/" in place


def test_a_process_number_that_was_given_out_again_is_another_process():
    machine, _, started = place_of_this_process().rpartition("/")
    assert is_gone(f"{machine}/{int(started) - 1}")


@pytest.mark.parametrize("place", (None, "", "nonsense", "a/b/c", "/1/", "host/not-a-number/5"))
def test_of_a_place_that_says_nothing_nobody_is_known_to_be_gone(place):
    assert not is_gone(place)


def test_a_process_of_another_machine_boot_or_container_may_live():
    machine = place_of_this_process().rpartition("/")[0].rpartition("/")[0]
    for other in (f"x{machine}", f"{machine}x"):
        assert not is_gone(f"{other}/999999999/1")
    assert is_gone(f"{machine}/999999999/1")


def test_a_job_that_is_learned_of_after_its_attempt_was_settled_is_still_written_down(books: Any) -> None:
    books.intend("a1")
    books.ledger.settle("a1", books.ending(Status.LOST))
    with pytest.raises(ClaimLost):
        books.ledger.submitted("a1", job_id="late", at=books.t0, by="a former owner")
    assert (books.row("a1")["status"], books.row("a1")["job_id"]) == ("lost", "late")
