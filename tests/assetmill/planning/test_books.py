"""A plan against real books: what earlier jobs took, and their workers, is what the next plan counts on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assetmill.ledger import Facts, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.manifest import Pack, load_pack
from assetmill.money import attempt_cost
from assetmill.money.turns import MEASURED, Turn
from assetmill.planning.history import NOTHING, read_history
from assetmill.planning.plan import Plan, PlanItem
from assetmill.planning.planner import make_plan
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import load_library

GPU = Endpoint("runpod", "runpod", "https://x.invalid/v2/e", None, "flux", 2, Decimal("0.00031"), "a list", "ADA_24")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
LIBRARY = load_library()
COLD = Turn(True, 12_000, None, 5_000, MEASURED)
WARM = Turn(False, None, 1_000, None, MEASURED)


@pytest.fixture
def pack(tmp_path) -> Pack:
    things = "".join(f"  - {{id: thing{n}, type: entity, prompt: a thing, shape: circle}}\n" for n in range(20))
    head = "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: p, name: P}\nassets:\n"
    (tmp_path / "tiny.yaml").write_text(head + things)
    return load_pack(tmp_path / "tiny.yaml")


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as books:
        books.begin_run(Run("r", "other", "p", "m", "runpod", "runpod", draft=False, started_at=NOW))
        yield books


def book(ledger: Ledger, item: PlanItem, number: int, *, turn: Turn, seconds: float, gpu: str) -> None:
    """A job of another game that made a picture."""
    made, at, ms = item.made, NOW + timedelta(minutes=number), round(seconds * 1000)
    assert made is not None
    ledger.intend(
        Intent(
            attempt_id=f"a{number}", run_id="r", game="other", pack="p", asset_id=f"x{number}", asset_type="entity",
            candidate=0, try_no=1, fingerprint=f"{number:064x}", inputs=made.fields, provider="runpod",
            endpoint="runpod", endpoint_url=GPU.url, gpu=gpu, seed=1, workflow=made.workflow, workflow_hash="h",
            width=made.size[0], height=made.size[1], expected_outputs={"image": "x"}, price_per_s_usd=GPU.usd_per_s,
            price_source="a list", draft=False, intended_at=at,
        )
    )  # fmt: skip
    ledger.submitted(f"a{number}", job_id=f"job-{number}", at=at)
    output = Output("image", f"blobs/{number}", f"{number:064x}", 1, 1, 1)
    facts = Facts(
        worker_id="w", started_at=at, finished_at=at, queue_ms=15_000, execution_ms=ms, cold=turn.cold,
        start_ms=turn.start_ms, gap_ms=turn.gap_ms, idle_ms=turn.idle_ms,
    )  # fmt: skip
    ledger.collected(f"a{number}", outputs=(output,), at=at, facts=facts)
    cost = attempt_cost(GPU.usd_per_s, ms, 15_000, turn)
    ledger.settle(f"a{number}", Settlement(Status.KEPT, at, cost, facts))


def planned(ledger: Ledger, pack: Pack, endpoint: Endpoint = GPU) -> Plan:
    return make_plan(pack, read_history(ledger, "tiny", draft=False), endpoint, LIBRARY)


def test_a_plan_counts_on_what_jobs_and_workers_took_before_in_any_game(ledger, pack):
    like = make_plan(pack, NOTHING, GPU, LIBRARY).items[0]
    assert like.time_source == "prior"
    for number in range(4):
        book(ledger, like, number, turn=COLD, seconds=23, gpu="NVIDIA GeForce RTX 4090")
        book(ledger, like, 100 + number, turn=WARM, seconds=3, gpu="NVIDIA GeForce RTX 4090")
    plan = planned(ledger, pack)
    item = plan.items[0]
    assert (item.time_source, item.seconds.parts) == ("history", (3, 3, 3))
    first, warm = (attempt_cost(GPU.usd_per_s, ms, 15_000, turn) for ms, turn in ((23_000, COLD), (3_000, WARM)))
    assert plan.total.cost.estimate == 2 * first.estimate + 18 * warm.estimate
    assert plan.total.cost.low == 2 * first.low + 18 * warm.low
    [as_planned] = [choice for choice in plan.total.choices if choice.planned]
    assert as_planned.times_from == "history"


def test_times_of_another_gpu_or_another_model_do_not_pass_for_those_of_this_one(ledger, pack):
    like = make_plan(pack, NOTHING, GPU, LIBRARY).items[0]
    for number in range(4):
        book(ledger, like, number, turn=WARM, seconds=3, gpu="NVIDIA L4")
    plan = planned(ledger, pack)
    assert {item.time_source for item in plan.items} == {"scaled"}
    pools = {choice.pool: choice for choice in plan.total.choices}
    assert pools["AMPERE_24"].sources["execution"] == "history"
    assert planned(ledger, pack, replace(GPU, model="another")).items[0].time_source == "prior"
