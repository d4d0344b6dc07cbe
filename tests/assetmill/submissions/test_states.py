"""What may follow what: planning, agreeing, running, ending, and who may take which step."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from assetmill.batch.report import BatchReport, Line
from assetmill.errors import UsageError
from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import Cost
from assetmill.submissions import FlowRun, State, ingest
from assetmill.submissions.records import FOLLOWING

FLOW = FlowRun(id="flow-1", url="http://127.0.0.1:4200/runs/flow-run/flow-1")
OTHER = FlowRun(id="flow-2")


@pytest.fixture
def planned(studio, text):
    """The id of a submission that may run."""
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    return studio.only().id


@pytest.fixture
def awaiting(studio, text, priced):
    """The id of a submission that a person has to agree to."""
    studio.more |= priced
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    return studio.only().id


def report(exit_code: int = 0, **fields: Any) -> BatchReport:
    values = {
        "run_id": "run-1", "game": "tiny", "pack": "default", "endpoint": "draft", "draft": True, "assets": 2,
        "planned": {"new": 2}, "generated": 2, "cached": 0, "refinished": 0, "failed": 0, "collected": 0,
        "cost_usd": Decimal("0.0123"), "unpriced": 0, "elapsed_s": 75.0, "gallery": "packs/tiny/gallery/run-1.html",
        "index": "packs/tiny/index.0123456789abcdef.json", "latest": None, "published": True, "store": "file:///x",
        "failures": (), "stopped": None, "exit_code": exit_code,
    }  # fmt: skip
    return BatchReport(**(values | fields))


FAILURE = Line(
    asset="crate", type="entity", candidate=0, state="failed", error="worker_fault",
    message="CUDA <b>broke</b>", hint="try again",
)  # fmt: skip


def intent(attempt_id: str, run_id: str, at: datetime) -> Intent:
    """An attempt at the slime."""
    return Intent(
        attempt_id=attempt_id, run_id=run_id, game="tiny", pack="default", asset_id="slime", asset_type="entity",
        candidate=0, try_no=1, fingerprint="f" * 64, inputs={}, provider="runpod", endpoint="runpod",
        endpoint_url="https://api.runpod.ai/v2/abcdefghij0123", gpu="ADA_24", seed=1, workflow="sprite",
        workflow_hash="h" * 64, width=64, height=64, expected_outputs={"image": attempt_id},
        price_per_s_usd=Decimal("0.001"), price_source="list", draft=False, intended_at=at,
    )  # fmt: skip


def test_a_draft_runs_without_a_word_and_its_run_may_cost_nothing(studio, planned):
    record = studio.desk().get(planned)
    assert (record.plan.asks, record.budget_usd, record.plan.estimate_usd) == (None, None, 0)
    assert [one.id for one in studio.desk().due()] == [planned]


def test_what_costs_money_asks_and_says_the_range(studio, awaiting):
    record = studio.desk().get(awaiting)
    assert record.state is State.AWAITING_APPROVAL
    assert 0 < record.plan.low_usd < record.plan.estimate_usd < record.plan.high_usd
    assert "above the $0.00" in record.plan.asks
    hours = (record.approve_by - record.since).total_seconds() / 3600
    assert hours == pytest.approx(72, abs=0.01)


def test_under_the_amount_it_runs_and_the_amount_is_its_budget(studio, text, priced):
    studio.more |= priced | {"ASSETMILL_AUTO_APPROVE_USD": "0.5"}
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    record = studio.only()
    assert (record.state, record.budget_usd) == (State.PLANNED, Decimal("0.5"))


def test_a_price_that_nobody_knows_asks_whatever_the_amount(studio, text, unpriced):
    studio.more |= unpriced | {"ASSETMILL_AUTO_APPROVE_USD": "1000"}
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    record = studio.only()
    assert record.state is State.AWAITING_APPROVAL
    assert "nobody knows" in record.plan.asks
    with pytest.raises(UsageError, match="no amount can be kept to"):
        studio.desk().approve(record.id, by="Ben", amount_usd=Decimal(5))
    assert studio.desk().approve(record.id, by="Ben").budget_usd is None


def test_an_approved_amount_is_the_budget_and_the_words_are_on_the_page(studio, awaiting):
    record = studio.desk().approve(awaiting, by="Ben", amount_usd=Decimal(2), note="lovely & cheap")
    assert (record.state, record.budget_usd, record.approval.by) == (State.APPROVED, Decimal(2), "Ben")
    page = studio.page("my-game.yaml.plan.html")
    assert "lovely &amp; cheap" in page
    assert "at most $2.00" in page


def test_without_an_amount_the_upper_bound_of_the_plan_is_the_budget_and_holds_one_job(studio, awaiting):
    record = studio.desk().approve(awaiting, by="Ben")
    assert record.budget_usd == max(record.plan.high_usd, record.plan.aside_usd)
    assert record.plan.aside_usd > 0


def test_an_amount_that_no_job_fits_into_is_refused(studio, awaiting):
    aside = studio.desk().get(awaiting).plan.aside_usd
    little = aside - Decimal("0.000001")
    with pytest.raises(UsageError, match=r"set aside: the run would not begin|not all of it could be made"):
        studio.desk().approve(awaiting, by="Ben", amount_usd=little)
    assert studio.desk().approve(awaiting, by="Ben", amount_usd=aside * 20).state is State.APPROVED


def test_an_amount_that_goes_without_a_word_has_to_hold_one_job(studio, text, priced):
    """The estimate of one small picture is far less than what may have to be set aside for it."""
    studio.more |= priced | {"ASSETMILL_AUTO_APPROVE_USD": "0.06"}
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    record = studio.only()
    assert record.plan.estimate_usd < Decimal("0.06") < record.plan.aside_usd
    assert "set aside while it is out" in record.plan.asks


@pytest.mark.parametrize("amount", ("0.000001", "-1", "NaN", "Infinity"))
def test_an_amount_that_the_run_could_not_begin_with_is_refused(studio, awaiting, amount):
    with pytest.raises(UsageError):
        studio.desk().approve(awaiting, by="Ben", amount_usd=Decimal(amount))
    assert studio.desk().get(awaiting).state is State.AWAITING_APPROVAL


def test_a_rejection_tells_the_artist_why(studio, awaiting):
    record = studio.desk().reject(awaiting, by="Ben", reason="wait for the spring <budget>")
    assert record.state is State.REJECTED
    page = studio.page("my-game.yaml.result.html")
    assert "wait for the spring &lt;budget&gt;" in page
    assert "my-game.yaml.plan.html" not in studio.beside()
    with pytest.raises(UsageError, match="is rejected"):
        studio.desk().approve(awaiting, by="Eva")


def test_a_question_expires_when_its_time_is_up_and_not_before(studio, awaiting):
    assert studio.desk().expire(awaiting) is None
    studio.ahead_s += 73 * 3600
    assert studio.desk().expire(awaiting).state is State.EXPIRED
    assert studio.desk().expire(awaiting) is None
    assert "72 hours" in studio.page("my-game.yaml.result.html")


def test_one_flow_run_looks_after_a_submission_and_another_one_only_in_its_stead(studio, planned):
    assert studio.desk().attach(planned, FLOW).flow_run == FLOW
    assert studio.desk().attach(planned, FLOW).flow_run == FLOW
    assert studio.desk().attach(planned, OTHER) is None
    assert studio.desk().attach(planned, OTHER, instead_of="somebody") is None
    assert studio.desk().due() == []
    assert FLOW.url in studio.page("my-game.yaml.plan.html")
    assert studio.desk().attach(planned, OTHER, instead_of=FLOW.id).flow_run == OTHER


def test_what_awaits_approval_does_not_begin(studio, awaiting):
    assert studio.desk().begin(awaiting, FLOW) is None
    studio.desk().approve(awaiting, by="Ben")
    assert studio.desk().begin(awaiting, FLOW).state is State.RUNNING


def test_a_run_that_says_that_it_lives_is_not_replaced_and_one_that_falls_silent_is(studio, planned):
    assert studio.desk().begin(planned, FLOW).run_ids == (planned,)
    studio.ahead_s += 100
    assert studio.desk().renew(planned, FLOW.id)
    studio.ahead_s += 100
    assert (studio.desk().stuck(), studio.desk().begin(planned, OTHER)) == ([], None)
    studio.ahead_s += 100
    assert [record.id for record in studio.desk().stuck()] == [planned]
    taken_over = studio.desk().begin(planned, OTHER)
    assert taken_over.run_ids[-1] == f"{planned}.2"
    assert not studio.desk().renew(planned, FLOW.id)
    assert studio.desk().finish(planned, report(), FLOW.id) is None
    assert studio.desk().fail(planned, "no", flow_run_id=FLOW.id) is None
    assert studio.desk().finish(planned, report(), OTHER.id).state is State.DONE


def test_a_submission_whose_runs_all_die_is_given_up(studio, planned):
    for number in range(3):
        assert studio.desk().begin(planned, FlowRun(id=f"flow-{number}"))
        studio.ahead_s += 200
    assert studio.desk().begin(planned, OTHER) is None
    record = studio.desk().get(planned)
    assert record.state is State.FAILED
    assert "begun 3 times" in record.words


@pytest.mark.parametrize(
    ("fields", "state", "words"),
    (
        ({}, "done", "Gallery of all pictures"),
        ({"exit_code": 1, "generated": 1, "failed": 1, "failures": (FAILURE,)}, "done_with_failures", "try again"),
        ({"exit_code": 4, "stopped": "nobody comes", "failures": (FAILURE,), "failed": 1}, "failed", "nobody comes"),
        ({"exit_code": 130, "stopped": "stopped by hand"}, "failed", "stopped by hand"),
    ),
)
def test_the_result_page_says_what_came_of_the_run(studio, planned, fields, state, words):
    studio.desk().begin(planned, FLOW)
    assert str(studio.desk().finish(planned, report(**fields), FLOW.id).state) == state
    page = studio.page("my-game.yaml.result.html")
    assert words in page
    assert "../../packs/tiny/gallery/run-1.html" in page
    assert "$0.0123" in page
    assert "CUDA <b>" not in page
    assert studio.beside() == {"my-game.yaml", "my-game.yaml.result.html"}


def test_a_newer_version_waits_until_the_older_one_has_run(studio, planned, text):
    studio.desk().begin(planned, FLOW)
    studio.drop("my-game.yaml", text("a toad"))
    ingest(studio.desk())
    newer = studio.only(version=2)
    assert (studio.desk().due(), studio.desk().begin(newer.id, OTHER)) == ([], None)
    assert studio.desk().finish(planned, report(), FLOW.id).state is State.DONE
    assert "a toad" in studio.page("my-game.yaml.plan.html"), "the page beside the file is the newest version's"
    assert "my-game.yaml.result.html" not in studio.beside()
    assert b"Gallery of all pictures" in studio.desk().page(planned)
    assert [one.id for one in studio.desk().due()] == [newer.id]
    assert studio.desk().begin(newer.id, OTHER).state is State.RUNNING


def test_trouble_that_is_not_the_artists_leaves_it_received_until_it_has_gone(studio, text):
    studio.drop("my-game.yaml", text())
    books = {"ASSETMILL_LEDGER_URL": f"sqlite:///{studio.home}/nowhere/ledger.db"}
    (studio.home / "nowhere").mkdir(parents=True)
    (studio.home / "nowhere" / "ledger.db").write_bytes(b"no database" * 1000)
    ingest(studio.desk(**books))
    record = studio.only()
    assert record.state is State.RECEIVED
    assert record.trouble
    assert record.claim is None
    assert "my-game.yaml.errors.html" not in studio.beside()
    ingest(studio.desk())
    assert (studio.only().state, studio.only().trouble) == (State.PLANNED, "")


def test_who_examines_keeps_others_away_until_the_claim_is_over(studio, text):
    studio.drop("my-game.yaml", text())
    desk = studio.desk()
    record = desk.take(studio.arrival("my-game.yaml"))
    office = studio.desk("somebody")._office
    office.shelf.change(record.id, lambda now: now.claimed("somebody", office.now(), 120))
    assert studio.desk("me").examine(record) is None
    studio.ahead_s += 121
    assert studio.desk("me").examine(record).state is State.PLANNED


def test_nothing_follows_what_is_final():
    assert {state for state in State if state.final} == {
        State.INVALID, State.DONE, State.DONE_WITH_FAILURES, State.FAILED, State.REJECTED, State.EXPIRED,
        State.DUPLICATE, State.SUPERSEDED,
    }  # fmt: skip
    assert {state for after in FOLLOWING.values() for state in after} | {State.RECEIVED, State.DUPLICATE} == set(State)


def test_handing_in_again_is_a_new_submission_and_the_old_record_stays(studio, awaiting, text):
    studio.desk().reject(awaiting, by="Ben", reason="not now")
    same = studio.desk().hand_in("my-game.yaml", text().encode())
    assert (same.fresh, same.record.id) == (False, awaiting)
    again = studio.desk().hand_in("my-game.yaml", text().encode(), by="Anna", note="now?", again=True)
    assert (again.record.id, again.record.version) == (f"{awaiting}-2", 2)
    ingest(studio.desk())
    assert studio.states() == {("my-game.yaml", 1): "rejected", ("my-game.yaml", 2): "awaiting_approval"}


def test_what_each_asset_cost_is_told_for_all_runs_of_a_submission(studio, planned):
    with Ledger.open(studio.settings().ledger_url) as ledger:
        for number, run_id in enumerate((planned, f"{planned}.2")):
            at = studio.clock().now()
            ledger.begin_run(
                Run(run_id, "tiny", "default", "my-game.yaml", "runpod", "runpod", draft=False, started_at=at)
            )
            ledger.intend(intent(f"try-{number}", run_id, at))
            ledger.submitted(f"try-{number}", job_id=f"job-{number}", at=at)
            cost = Cost(Decimal("0.001"), Decimal("0.002"), Decimal("0.003"), "execution x list price")
            status = (Status.FAILED, Status.KEPT)[number]
            if status is Status.KEPT:
                output = Output("image", "blobs/aa/" + "a" * 64 + ".png", "a" * 64, 10, 64, 64)
                ledger.collected(f"try-{number}", outputs=(output,), facts=Facts(), at=at)
            ledger.settle(f"try-{number}", Settlement(status, at, cost))
    for number in (1, 2):
        studio.desk().begin(planned, FlowRun(id=f"flow-{number}"))
        studio.ahead_s += 200 * (number == 1)
    record = studio.desk().finish(planned, report(run_id=f"{planned}.2"), "flow-2")
    assert [(c.asset, c.attempts, c.kept, c.cost_usd) for c in record.outcome.costs] == [
        ("slime", 2, 1, Decimal("0.004"))
    ]
    assert "$0.0040" in studio.page("my-game.yaml.result.html")
