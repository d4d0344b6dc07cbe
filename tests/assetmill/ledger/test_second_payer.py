"""A picture that is being paid for, or is there, is not paid for again, however many try at once."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from assetmill.errors import AlreadyTaken, OutcomeUnknown, UnknownTooOften
from assetmill.ledger import Ledger, Status

EVERY_DATABASE = True
PROGRAM = Path(__file__).parent / "racing_process.py"
BRINGS_TO: dict[str, str] = {"submitting": "intend", "submitted": "submit", "collected": "collect", "kept": "keep"}


def bring(books: Any, status: Status) -> None:
    """The first attempt at a picture, at this point of its life."""
    if status in BRINGS_TO:
        getattr(books, BRINGS_TO[status])("first", fingerprint="same")
        return
    (books.collect if status is Status.REJECTED else books.submit)("first", fingerprint="same")
    books.ledger.settle("first", books.ending(status, error_class="outcome_unknown"))


@pytest.mark.parametrize("status", (*BRINGS_TO, Status.REJECTED))
def test_nobody_pays_while_another_attempt_is_at_it_or_has_made_it(books, status):
    bring(books, Status(status))
    with pytest.raises(AlreadyTaken, match=str(status)) as caught:
        books.intend("second", fingerprint="same")
    assert caught.value.attempt_id == "first"
    assert [row["attempt_id"] for row in books.ledger.rows()] == ["first"]


@pytest.mark.parametrize("status", (Status.FAILED, Status.LOST, Status.CANCELLED))
def test_what_came_to_nothing_may_be_tried_again(books, status):
    bring(books, status)
    books.intend("second", fingerprint="same", retry_of="first")
    assert books.row("second")["retry_of"] == "first"


def test_a_second_attempt_that_fails_still_leaves_room_for_one_only(books):
    bring(books, Status.FAILED)
    books.keep("second", fingerprint="same")
    with pytest.raises(AlreadyTaken) as caught:
        books.intend("third", fingerprint="same")
    assert caught.value.attempt_id == "second"


@pytest.mark.parametrize("other", ({"game": "other"}, {"draft": True}, {"fingerprint": "another"}))
def test_another_game_a_draft_or_another_picture_is_paid_for_on_its_own(books, other):
    bring(books, Status.KEPT)
    books.intend("second", **({"fingerprint": "same"} | other))
    assert len(books.ledger.rows()) == 2


def test_of_sixteen_threads_one_pays(books):
    everyone = Barrier(16)

    def pay(number: int) -> str:
        everyone.wait(60)
        try:
            return str(books.intend(f"t{number}", fingerprint="same"))
        except AlreadyTaken as error:
            return f"after {error.attempt_id}"

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(pay, range(16)))
    [row] = books.ledger.rows()
    assert Counter(answers) == {row["attempt_id"]: 1, f"after {row['attempt_id']}": 15}


def test_of_threads_with_connections_of_their_own_one_pays(books, ledger_url):
    everyone = Barrier(8)

    def pay(number: int) -> bool:
        with Ledger.open(ledger_url) as ledger:
            everyone.wait(60)
            try:
                ledger.intend(books.intent(f"t{number}", fingerprint="same"))
            except AlreadyTaken:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(pay, range(8))) == 1
    assert len(books.ledger.rows()) == 1


def test_of_four_processes_one_pays_and_the_others_learn_who(ledger_url, books):
    racers = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), "pay", ledger_url, f"p{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in racers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in racers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in racers]
    [row] = books.ledger.rows()
    assert Counter(answers) == {"mine": 1, row["attempt_id"]: 3}


def test_more_unknown_outcomes_than_were_agreed_to_refuse_another_payer(books: Any) -> None:
    wish = {"fingerprint": "w" * 64}
    for attempt_id in ("a1", "a2"):
        books.intend(attempt_id, **wish)
        books.ledger.settle(attempt_id, books.ending(Status.LOST, error_class=OutcomeUnknown.code))
    with pytest.raises(UnknownTooOften, match="2 requests"):
        books.ledger.intend(books.intent("a3", **wish), most_unknown=1)
    books.ledger.intend(books.intent("a4"), most_unknown=0)  # another picture
    books.ledger.intend(books.intent("a5", **wish), most_unknown=2)
    assert books.row("a5")["status"] == "submitting"
