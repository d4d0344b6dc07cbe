"""Records and flow runs held against each other on a real server: what is due, what was lost, what nobody needs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prefect.context import AsyncClientContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from assetmill.clock import Clock
from assetmill.settings import Settings
from assetmill.submissions.desk import Desk, open_desk
from assetmill.submissions.keys import INBOX
from assetmill.submissions.records import FlowRun, Record, State
from flows.caring import CANCELLED_BY_HAND, MAX_STARTS, Cared, Carer

MANIFEST = """version: 1
game: {{id: {name}, title: Tiny}}
pack: {{id: default, name: Default}}
assets:
  - {{id: sky, type: background, prompt: a sky of {name}, size: 128x128}}
"""
QUESTION = {name: f"suspended-approval-1-{name}" for name in ("description", "response", "schema")}
pytestmark = pytest.mark.timeout(300)  # a server starts


@dataclass
class Office:
    """A store, a desk whose clock a test sets forward, and the server."""

    home: Path
    api: Any
    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def desk(self) -> Desk:
        settings = Settings(
            _env_file=None, ASSETMILL_HOME=str(self.home), IMAGE_GENERATION_PROVIDER="runpod",
            RUNPOD_API_KEY="made-up-key", RUNPOD_COMFYUI_ENDPOINT_ID="abcdefghij0123", ASSETMILL_GPU_POOL="ADA_24",
            ASSETMILL_SUBMISSION_QUIET_S="0",
        )  # fmt: skip
        return open_desk(settings, Clock(now=self.now))

    def submitted(self, name: str) -> Record:
        """A submission that awaits approval."""
        inbox = self.home / "store" / INBOX
        inbox.mkdir(parents=True, exist_ok=True)
        (inbox / f"{name}.yaml").write_text(MANIFEST.format(name=name))
        desk = self.desk
        taken = [one for one in map(desk.take, desk.arrivals()) if one is not None]
        examined = [desk.examine(one) for one in taken]
        assert [one.state for one in examined if one] == [State.AWAITING_APPROVAL]
        return desk.get(taken[0].id)

    async def care(self) -> Cared:
        """One pass."""
        async with AsyncClientContext.get_or_create() as prefect:  # as inside of a flow run
            return await Carer(prefect.client, self.desk, self.now(), logging.getLogger("test")).care()

    def ask(self, path: str, **body: Any) -> Any:
        return (self.api.read if path.endswith("/filter") else self.api.send)(path, body)

    def runs(self, record: Record) -> list[dict[str, Any]]:
        """Flow runs of a submission, the first one first."""
        tagged = {"tags": {"all_": [f"submission:{record.id}"]}}
        return list(self.ask("/flow_runs/filter", flow_runs=tagged, sort="EXPECTED_START_TIME_ASC"))

    def becomes(self, run: dict[str, Any], kind: str, name: str, **details: Any) -> None:
        """What a worker, or a person in the UI, makes of a flow run."""
        state = {"type": kind, "name": name, "state_details": details}
        self.ask(f"/flow_runs/{run['id']}/set_state", state=state, force=True)

    def suspended(self, record: Record, **details: Any) -> dict[str, Any]:
        """Its flow run, suspended."""
        (run,) = self.runs(record)
        self.becomes(run, "PAUSED", "Suspended", pause_reschedule=True, pause_key="approval-1", **details)
        return run

    def state_of(self, run: dict[str, Any]) -> dict[str, Any]:
        return dict(self.api.read(f"/flow_runs/{run['id']}")["state"])


@pytest.fixture
def office(deployed: Any, tmp_path: Path) -> Iterator[Office]:
    with temporary_settings(updates={PREFECT_API_URL: deployed.api_url}):
        office = Office(tmp_path, deployed.api)
        yield office
        for record in office.desk.records():  # no worker of another test is to find them
            for run in office.runs(record):
                office.api.send(f"/flow_runs/{run['id']}", method="DELETE")


async def test_what_is_due_gets_one_flow_run_however_many_passes_are_made_at_once(office):
    record = office.submitted("once")
    await asyncio.gather(office.care(), office.care(), office.care())
    again = await office.care()
    (run,) = office.runs(record)
    assert run["parameters"] == {"submission": record.id, "instead_of": None}
    assert run["name"] == "submission once.yaml v1"
    assert office.desk.get(record.id).flow_run.id == run["id"]
    assert not again.any


async def test_a_lost_flow_run_is_replaced_by_one_that_knows_whom_it_replaces(office):
    record = office.submitted("lost")
    await office.care()
    (lost,) = office.runs(record)
    office.becomes(lost, "CRASHED", "Crashed")
    both = await asyncio.gather(office.care(), office.care())
    assert any(record.id in cared.again for cared in both)
    (new,) = [run for run in office.runs(record) if run["id"] != lost["id"]]
    assert new["parameters"] == {"submission": record.id, "instead_of": lost["id"]}
    assert office.desk.get(record.id).flow_run.id == new["id"]
    assert not (await office.care()).any


async def test_a_submission_whose_flow_runs_all_die_is_given_up_in_the_end(office):
    record = office.submitted("doomed")
    for _ in range(MAX_STARTS):
        assert (await office.care()).any
        for run in office.runs(record):
            office.becomes(run, "CRASHED", "Crashed")
    assert (await office.care()).failed == [record.id]
    ended = office.desk.get(record.id)
    assert (ended.state, str(MAX_STARTS) in ended.words) == (State.FAILED, True)
    assert len(office.runs(record)) == MAX_STARTS


async def test_a_flow_run_that_somebody_cancelled_ends_its_submission_and_is_not_replaced(office):
    record = office.submitted("unwanted")
    await office.care()
    office.becomes(office.runs(record)[0], "CANCELLED", "Cancelled")
    assert (await office.care()).failed == [record.id]
    assert office.desk.get(record.id).words == CANCELLED_BY_HAND
    assert len(office.runs(record)) == 1


async def test_a_run_that_died_while_it_generated_is_replaced_only_when_its_claim_is_over(office):
    record = office.submitted("dead")
    office.desk.approve(record.id, by="Eve")
    await office.care()
    (run,) = office.runs(record)
    assert office.desk.begin(record.id, FlowRun(id=run["id"])) is not None
    office.becomes(run, "CRASHED", "Crashed")
    assert not (await office.care()).any
    office.ahead = timedelta(minutes=5)
    assert (await office.care()).again == [record.id]


async def test_a_question_that_nobody_answers_expires_and_its_flow_run_says_so(office):
    record = office.submitted("forgotten")
    await office.care()
    run = office.suspended(record)
    assert not (await office.care()).any
    office.ahead = timedelta(hours=73)
    cared = await office.care()
    assert (cared.expired, cared.ended) == ([record.id], [record.id])
    assert office.desk.get(record.id).state is State.EXPIRED
    assert (office.state_of(run)["type"], office.state_of(run)["name"]) == ("CANCELLED", "Expired")


@pytest.mark.parametrize(
    ("decide", "name"),
    (
        (lambda desk, record: desk.approve(record.id, by="Eve"), "Resuming"),
        (lambda desk, record: desk.reject(record.id, by="Eve", reason="too big"), "Rejected"),
    ),
    ids=("approved", "rejected"),
)
async def test_a_decision_made_elsewhere_wakes_or_ends_the_flow_run(
    office, decide: Callable[[Desk, Record], Any], name
):
    record = office.submitted("elsewhere")
    await office.care()
    run = office.suspended(record, run_input_keyset=QUESTION)
    office.ahead = timedelta(minutes=2)
    await office.care()
    decide(office.desk, record)
    await office.care()
    assert office.state_of(run)["name"] == name


async def test_a_question_whose_form_was_never_saved_can_be_answered_after_all(office):
    record = office.submitted("formless")
    await office.care()
    run = office.suspended(record, run_input_keyset=QUESTION)

    def answer(**words: Any) -> str:
        return str(office.ask(f"/flow_runs/{run['id']}/resume", run_input=words)["status"])

    assert answer(decision="approve") == "REJECT"
    await office.care()
    assert answer(decision="approve") == "REJECT", "its flow run may be about to save it"
    office.ahead = timedelta(minutes=2)
    await office.care()
    low = float(record.plan.estimate_usd / 2)
    assert answer(decision="approve", amount_usd=low) == "REJECT"
    assert answer(decision="approve", amount_usd=float(Decimal(1))) == "ACCEPT"
