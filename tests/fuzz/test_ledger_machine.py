"""The life of attempts against a model of it: steps, claims and ends in any order, by anybody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from assetmill.errors import AlreadyTaken, ClaimLost, LedgerError
from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.ledger.claims import Claim
from assetmill.ledger.receipts import Receipt, read_receipt, write_receipt
from assetmill.ledger.records import RowFilter
from assetmill.ledger.values import OPEN_STATUSES
from assetmill.money import Cost

T0 = datetime(2026, 3, 1, tzinfo=UTC)
RUN = Run("run", "g", "p", "g.yaml", "runpod", "ep", draft=False, started_at=T0)
IMAGE = Output("image", "raw/ab.png", "ab" * 32, 1_000, 64, 32)
PICTURES = (Status.KEPT, Status.REJECTED)
CLAIMS = ("owner", "owner_place", "claimed_until")
OWNERS = ("ann", "bob")
numbers = count()

owners = st.sampled_from((None, *OWNERS))
moments = st.integers(0, 3)
words = st.text(max_size=20) | st.just("x" * 3_000) | st.just("\ud800") | st.just("a\x00b")
costs = st.decimals(0, 100, places=6).map(lambda usd: Cost(usd, usd * 2, usd * 3, "measured"))
facts = st.builds(
    Facts, worker_id=st.none() | words, queue_ms=st.none() | st.integers(0, 2**53), execution_ms=st.integers(0, 9)
)
endings = st.builds(
    Settlement, st.sampled_from(tuple(Status)), st.just(T0), costs, facts,
    outputs=st.sampled_from(((), (IMAGE,))), quality_score=st.none() | st.floats(0, 1), error_text=st.none() | words,
)  # fmt: skip


def intent(attempt_id: str, fingerprint: str, **changes: Any) -> Intent:
    made = Intent(
        attempt_id, "run", "g", "p", "knight", "entity", 0, 1, fingerprint, {"prompt": "a knight \u00e9\u2028"},
        "runpod", "ep", "https://api.invalid/v2/ep", None, 7, "entity", "a" * 64, 64, 32, {"image": "x"},
        Decimal("0.00053"),
        "list price", False, T0,
    )  # fmt: skip
    return replace(made, **changes)


@dataclass
class Known:
    """What the books have to say of an attempt."""

    fingerprint: str
    status: Status = Status.SUBMITTING
    job: str | None = None
    owner: str | None = None
    until: int | None = None
    receipt: Receipt | None = None
    final: dict[str, Any] | None = None

    @property
    def open(self) -> bool:
        return self.status in OPEN_STATUSES


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('books') / 'ledger.db'}"
    with Ledger.open(url) as ledger:
        ledger.begin_run(RUN)
    return url


class LedgerMachine(RuleBasedStateMachine):
    """Calls in any order. All examples share one file, and have ids, owners and endpoints of their own."""

    address = ""
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.own = f"m{next(numbers)}"
        self.ledger = Ledger.open(self.address)
        self.known: dict[str, Known] = {}
        self.first: dict[str, dict[str, Any]] = {}

    def teardown(self) -> None:
        self.ledger.close()

    def name(self, owner: str | None) -> str | None:
        return None if owner is None else f"{owner}-{self.own}"

    def claim_of(self, owner: str, until: int) -> Claim:
        return Claim(f"{owner}-{self.own}", "here/1/2", T0 + timedelta(seconds=until))

    def refused(self, attempt: Known, who: str | None, call: Any, *arguments: Any, **options: Any) -> None:
        """A step that must not be taken is an error of the right class, and changes nothing (the invariant)."""
        expected = ClaimLost if who is not None and who != attempt.owner else LedgerError
        with pytest.raises(expected) as caught:
            call(*arguments, **options)
        if expected is LedgerError:
            assert not isinstance(caught.value, ClaimLost)

    # --- steps ------------------------------------------------------------------------------------------------

    @rule(target=ids, picture=st.integers(0, 2), owner=owners, until=moments)
    def intend(self, picture: int, owner: str | None, until: int) -> Any:
        attempt_id, fingerprint = f"{self.own}-{len(self.known)}", f"{self.own}/{picture}"
        new = intent(attempt_id, fingerprint, game=self.own, endpoint=self.own)
        claim = None if owner is None else self.claim_of(owner, until)
        taken = [i for i, one in self.known.items()
                 if one.fingerprint == fingerprint and (one.open or one.status in PICTURES)]  # fmt: skip
        if taken:
            with pytest.raises(AlreadyTaken) as caught:
                self.ledger.intend(new, claim)
            assert caught.value.attempt_id in taken
            return multiple()
        self.ledger.intend(new, claim)
        self.known[attempt_id] = Known(fingerprint, owner=owner, until=None if owner is None else until)
        self.first[attempt_id] = self.ledger.attempt(attempt_id)
        return attempt_id

    @rule(attempt_id=ids)
    def intend_again(self, attempt_id: str) -> None:
        with pytest.raises(LedgerError):
            self.ledger.intend(intent(attempt_id, "other", endpoint=self.own))

    @rule()
    def ask_for_what_is_not_there(self) -> None:
        strange = intent(f"{self.own}-x", "f")
        for call in (
            lambda: self.ledger.intend(replace(strange, run_id="no such run")),
            lambda: self.ledger.intend(replace(strange, seed=2**53)),
            lambda: self.ledger.intend(replace(strange, seed=-1)),
            lambda: self.ledger.submitted("nobody", job_id="j", at=T0),
            lambda: self.ledger.collected("nobody", outputs=(IMAGE,), at=T0, by="ann"),
            lambda: self.ledger.settle("nobody", Settlement(Status.LOST, T0)),
            lambda: self.ledger.receipt("nobody", Settlement(Status.LOST, T0)),
            lambda: self.ledger.attempt("nobody"),
            lambda: self.ledger.begin_run(RUN),
        ):
            with pytest.raises(LedgerError):
                call()
        assert self.ledger.claim("nobody", self.claim_of("ann", 5), now=T0) is False

    @rule(attempt_id=ids, job=st.integers(0, 1), by=owners)
    def submitted(self, attempt_id: str, job: int, by: str | None) -> None:
        attempt, job_id = self.known[attempt_id], f"job-{job}"
        call = {"job_id": job_id, "at": T0, "by": self.name(by)}
        foreign = any(one.job == job_id for other, one in self.known.items() if other != attempt_id)
        may = attempt.status is Status.SUBMITTING or (attempt.status is Status.SUBMITTED and attempt.job == job_id)
        if foreign or not may:
            with pytest.raises(LedgerError):
                self.ledger.submitted(attempt_id, **call)
            return
        if by is not None and by != attempt.owner:
            with pytest.raises(ClaimLost):
                self.ledger.submitted(attempt_id, **call)
        else:
            self.ledger.submitted(attempt_id, **call)
        attempt.status, attempt.job = Status.SUBMITTED, job_id

    @rule(attempt_id=ids, by=owners, told=facts, images=st.booleans())
    def collect(self, attempt_id: str, by: str | None, told: Facts, images: bool) -> None:
        self.collected(attempt_id, by, told, images=images)

    def collected(self, attempt_id: str, by: str | None, told: Facts, *, images: bool) -> None:
        attempt = self.known[attempt_id]
        call = {"outputs": (IMAGE,) if images else (), "at": T0, "facts": told, "by": self.name(by)}
        if not images:
            self.refused(attempt, None, self.ledger.collected, attempt_id, **call)
        elif attempt.status in (Status.SUBMITTED, Status.COLLECTED) and by in (None, attempt.owner):
            self.ledger.collected(attempt_id, **call)
            attempt.status = Status.COLLECTED
        else:
            self.refused(attempt, by, self.ledger.collected, attempt_id, **call)

    @rule(attempt_id=ids, ending=endings, by=owners, with_receipt=st.booleans())
    def end(self, attempt_id: str, ending: Settlement, by: str | None, with_receipt: bool) -> None:
        self.settle(attempt_id, ending, by, with_receipt=with_receipt)

    def settle(self, attempt_id: str, ending: Settlement, by: str | None, *, with_receipt: bool) -> None:
        attempt = self.known[attempt_id]
        if not ending.status.settled:
            with pytest.raises(LedgerError):
                self.ledger.settle(attempt_id, ending, by=self.name(by))
            return
        from_here = attempt.status is Status.COLLECTED if ending.status in PICTURES else attempt.open
        if not from_here or by not in (None, attempt.owner):
            self.refused(attempt, by, self.ledger.settle, attempt_id, ending, by=self.name(by))
            self.refused(attempt, by, self.ledger.receipt, attempt_id, ending, by=self.name(by))
            return
        receipt = self.ledger.receipt(attempt_id, ending, by=self.name(by))
        assert read_receipt(write_receipt(receipt)) == receipt
        if with_receipt:
            self.ledger.settle_as(receipt, by=self.name(by))
        else:
            self.ledger.settle(attempt_id, ending, by=self.name(by))
        attempt.status, attempt.receipt, attempt.final = ending.status, receipt, self.ledger.attempt(attempt_id)
        assert {**attempt.final, **receipt.attempt} == attempt.final, "the receipt does not say what the row says"

    @rule(attempt_id=ids, status=st.sampled_from(PICTURES))
    def all_goes_well(self, attempt_id: str, status: Status) -> None:
        """The rest of an attempt's life, step by step, by whoever it belongs to."""
        attempt = self.known[attempt_id]
        if attempt.status is Status.SUBMITTING:
            self.ledger.submitted(attempt_id, job_id=f"job of {attempt_id}", at=T0, by=self.name(attempt.owner))
            attempt.status, attempt.job = Status.SUBMITTED, f"job of {attempt_id}"
        if attempt.open:
            ending = Settlement(status, T0, Cost(Decimal(1), Decimal(1), Decimal(1), "measured"))
            self.collected(attempt_id, attempt.owner, Facts(), images=True)
            self.settle(attempt_id, ending, attempt.owner, with_receipt=True)

    @rule(attempt_id=ids)
    def restore_what_is_settled(self, attempt_id: str) -> None:
        attempt = self.known[attempt_id]
        if attempt.receipt is not None:
            other = replace(attempt.receipt, attempt={**attempt.receipt.attempt, "status": Status.LOST, "seed": 8})
            assert self.ledger.restore(attempt.receipt) is self.ledger.restore(other) is False
            self.refused(attempt, None, self.ledger.settle_as, other)

    # --- claims -----------------------------------------------------------------------------------------------

    @rule(attempt_id=ids, owner=st.sampled_from(OWNERS), until=moments, now=moments, gone=owners)
    def claim(self, attempt_id: str, owner: str, until: int, now: int, gone: str | None) -> None:
        attempt = self.known[attempt_id]
        out_of_time = attempt.until is not None and attempt.until < now
        free = attempt.owner in (None, owner) or out_of_time or (gone is not None and attempt.owner == gone)
        got = self.ledger.claim(
            attempt_id, self.claim_of(owner, until), now=T0 + timedelta(seconds=now), gone=self.name(gone)
        )
        assert got is (attempt.open and free)
        if got:
            attempt.owner, attempt.until = owner, until

    @rule(owner=st.sampled_from(OWNERS), until=moments)
    def renew(self, owner: str, until: int) -> None:
        mine = [one for one in self.known.values() if one.open and one.owner == owner]
        assert self.ledger.renew(self.claim_of(owner, until)) == len(mine)
        for one in mine:
            one.until = until

    @rule(owner=st.sampled_from(OWNERS), at=moments)
    def release(self, owner: str, at: int) -> None:
        self.ledger.release(f"{owner}-{self.own}", T0 + timedelta(seconds=at))
        for one in self.known.values():
            if one.open and one.owner == owner:
                one.owner, one.until = None, at

    @rule()
    def the_process_starts_anew(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.address)

    # --- what always holds ------------------------------------------------------------------------------------

    @invariant()
    def the_books_say_what_happened(self) -> None:
        rows = {row["attempt_id"]: row for row in self.ledger.rows(RowFilter(game=self.own))}
        assert set(rows) == set(self.known)
        for attempt_id, expected in self.known.items():
            row = rows[attempt_id]
            assert (row["status"], row["job_id"], row["owner"]) == (
                expected.status, expected.job, self.name(expected.owner),
            )  # fmt: skip
            if expected.final is not None:
                assert row == expected.final, "a settled row has changed"
            for column, value in self.first[attempt_id].items():  # what was intended survives every step
                if value is not None and column not in (*CLAIMS, "status", "outputs", "job_id", "gpu", "draft"):
                    assert row[column] == value, column

    @invariant()
    def what_is_open_is_what_has_no_end(self) -> None:
        listed = {one.attempt_id for one in self.ledger.open_attempts(game=self.own)}
        assert listed == {attempt_id for attempt_id, one in self.known.items() if one.open}


def test_an_attempt_takes_only_the_steps_of_its_life_whoever_calls(address):
    run_state_machine_as_test(
        type("Machine", (LedgerMachine,), {"address": address}),
        settings=settings(max_examples=max(1, settings().max_examples // 3), stateful_step_count=30),
    )


@pytest.fixture(scope="module")
def receipt(tmp_path_factory) -> bytes:
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('receipt') / 'ledger.db'}") as ledger:
        ledger.begin_run(RUN)
        ledger.intend(intent("a", "f"))
        return write_receipt(ledger.receipt("a", Settlement(Status.LOST, T0, error_text="gone")))


@given(edits=st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 9), st.sampled_from((
    b"", b"null", b"NaN", b"1e400", b"-1", b'"', b"{", b"[", b"[]", b"true", b'"x"', b"9" * 400, b"\xff", b"\\ud800",
))), max_size=4))  # fmt: skip
def test_a_damaged_receipt_is_a_receipt_or_an_error_of_the_ledger(receipt, edits):
    data = receipt
    for place, length, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    try:
        read = read_receipt(data)
    except LedgerError:
        return
    assert isinstance(read, Receipt)
    assert read_receipt(write_receipt(read)) == read


def test_the_example_receipt_is_one(receipt, tmp_path: Path):
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        assert ledger.restore(read_receipt(receipt)) is True
        assert ledger.attempt("a")["error_text"] == "gone"
