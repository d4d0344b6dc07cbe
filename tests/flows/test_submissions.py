"""Submissions in Prefect: two ingesters, a question to a person, and its answers.

`make submissions` plays forty files with the same programs; the rules themselves are tested without Prefect.
"""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from assetmill.batch.sharing import limit_name
from assetmill.localpod import PodConfig, running_pod
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.submissions.desk import open_desk
from assetmill.submissions.records import Outcome, Record, State, Step
from flows.approval import cents_up, form_for
from flows.showing_submissions import about, question, title_of
from flows.submission import final_state

HERE = Path(__file__).parents[1] / "submissions"
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Programs of the long proof."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(HERE))
    yield SimpleNamespace(stage=importlib.import_module("stage"), drops=importlib.import_module("drops"))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(HERE)):
            del sys.modules[name]


def schema_of(estimate: str | None) -> dict[str, Any]:
    return form_for(None if estimate is None else Decimal(estimate), "").model_json_schema()


@pytest.mark.parametrize(
    "answer",
    (
        {},
        {"amount_usd": 1.0},
        {"decision": "maybe"},
        {"decision": "approve", "amount_usd": 0.24},
        {"decision": "approve", "amount_usd": -1},
        {"decision": "approve", "amount_usd": None},
        {"decision": "approve", "budget": 5},
        {"decision": "reject"},
        {"decision": "reject", "reason": "   "},
    ),
    ids=str,
)
def test_the_form_itself_refuses_what_is_no_decision(answer):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer, schema_of("0.2413"))


@pytest.mark.parametrize(
    "answer",
    ({"decision": "approve"}, {"decision": "approve", "amount_usd": 0.25}, {"decision": "reject", "reason": "too big"}),
    ids=str,
)
def test_the_form_takes_a_decision(answer):
    jsonschema.validate(answer, schema_of("0.2413"))


def test_the_amount_is_filled_in_with_the_estimate_rounded_up_and_less_is_never_read():
    form = form_for(Decimal("0.2413"), "")
    assert form.model_validate({"decision": "approve"}).answer().amount_usd == Decimal("0.25")
    with pytest.raises(ValidationError):
        form.model_validate({"decision": "approve", "amount_usd": 0.2})
    assert cents_up(Decimal("0.25")) == Decimal("0.25")


def test_resuming_without_a_word_decides_nothing():
    with pytest.raises(ValidationError):
        form_for(Decimal(1), "").model_validate({})


def test_where_nobody_knows_the_price_no_amount_is_asked_for():
    assert "amount_usd" not in schema_of(None)["properties"]
    assert form_for(None, "").model_validate({"decision": "approve"}).answer().amount_usd is None


def record(state: State = State.RECEIVED, **fields: Any) -> Record:
    step = Step(state=state, at=AT, words="so it is")
    return Record(
        id="sky-0123456789abcdef", slug="sky", inbox="store", name="sky.yaml", version=2, sha256="0" * 64, size=10,
        file="sky.yaml", received_at=AT, state=state, history=(step,), **fields,
    )  # fmt: skip


def test_what_artists_write_is_plain_text_in_the_question():
    text = question(record(by="Ana", note="[click](http://x) <script> | # `x`"), "")
    assert title_of(record(by="Ana")) == "submission sky.yaml v2 by Ana"
    assert "\\[click\\](http://x) \\<script\\> \\| \\# \\`x\\`" in text
    assert "nobody said" in about(record())


@pytest.mark.parametrize(
    ("state", "kind", "name"),
    (
        (State.DONE, "COMPLETED", "Completed"),
        (State.DONE_WITH_FAILURES, "COMPLETED", "CompletedWithFailures"),
        (State.FAILED, "FAILED", "Failed"),
        (State.REJECTED, "CANCELLED", "Rejected"),
        (State.EXPIRED, "CANCELLED", "Expired"),
        (State.SUPERSEDED, "CANCELLED", "Superseded"),
    ),
)
def test_a_flow_run_ends_as_its_submission_did_and_says_why(state, kind, name):
    ended = final_state(record(state))
    assert (ended.type.value, ended.name, ended.message) == (kind, name, "so it is")


def test_a_run_that_somebody_cancelled_is_cancelled_and_not_failed():
    stopped = Outcome(
        run_id="r", sentence="", generated=0, cached=0, failed=0, cost_usd=None, elapsed_s=1, exit_code=130
    )
    assert final_state(record(State.FAILED, outcome=stopped)).name == "Cancelled"


def until(holds: Callable[[], Any], worker: subprocess.Popen[bytes], log: Path, looks: int = 600) -> Any:
    """What `holds` says once it says something."""
    for _ in range(looks):
        found = holds()
        if found:
            return found
        with suppress(subprocess.TimeoutExpired):
            worker.wait(0.5)
            break
    raise AssertionError(f"the worker ({worker.poll()}) said: {log.read_text(errors='replace')[-4000:]}")


@pytest.mark.timeout(600)  # a worker, its runs and two ingesters start Prefect
@pytest.mark.usefixtures("only_orders")
async def test_each_file_is_taken_once_and_runs_only_when_somebody_agrees(deployed, tools, tmp_path):
    gpu = tools.stage.Gpu()
    config = PodConfig(endpoint_id=tools.stage.ENDPOINT, api_key=tools.stage.KEY, workers=2)
    async with running_pod(config, gpu) as pod:
        variables = tools.stage.environment(tmp_path, deployed.api_url, pod.url, ASSETMILL_SUBMISSION_QUIET_S="0")
        stage = tools.stage.Stage(tmp_path, deployed.api_url, variables)
        await asyncio.to_thread(play, stage, tools.drops, gpu)


def play(stage: Any, drops: Any, gpu: Any) -> None:
    limit = limit_name(resolve_endpoint(stage.settings))
    stage.ask("/v2/concurrency_limits/", {"name": limit, "limit": 6, "active": True})
    wanted = (drops.Kind.APPROVED, drops.Kind.INVALID)
    dear, invalid = (next(one for one in drops.drops(20) if one.kind is kind) for kind in wanted)
    inbox = stage.folder / "home" / "store" / "submissions" / "inbox"
    inbox.mkdir(parents=True)
    for name, data in ((dear.name, dear.data), ("copy.yaml", dear.data), (invalid.name, invalid.data)):
        (inbox / name).write_bytes(data)
    desk, log = open_desk(stage.settings), stage.folder / "worker.log"

    def flow_run(*states: str) -> dict[str, Any] | None:
        """The only flow run of these submissions, if it is in one of these states."""
        ids = {one.id for one in desk.records()}
        (run,) = (one for one in stage.flow_runs() if one["parameters"].get("submission") in ids)
        return run if run["state"]["name"] in states else None

    with stage.worker() as worker, stage.ingesters(2) as ingesters:

        def look() -> list[str]:
            for ingester in ingesters:
                ingester.tell()
            return [ingester.heard() for ingester in ingesters]

        look()
        states = sorted(str(one.state) for one in desk.records())
        assert states == ["awaiting_approval", "duplicate", "invalid"]
        run = until(lambda: flow_run("Suspended"), worker, log)["id"]
        assert not gpu.attempts, "nobody has agreed to anything"
        assert stage.answer(run) == "REJECT"
        assert stage.answer(run, decision="approve", amount_usd=0.0) == "REJECT"
        assert stage.answer(run, decision="approve", by="Eve", amount_usd=0.5) == "ACCEPT"
        until(lambda: flow_run("Completed"), worker, log)
        assert look() == ["Completed: nothing new"] * 2
    (done,) = (one for one in desk.records() if one.plan is not None)
    assert (done.state, done.beginnings, done.budget_usd) == (State.DONE, 1, Decimal("0.5"))
    assert done.approval is not None
    assert done.approval.by == "Eve"
    assert len(gpu.attempts) == len(set(gpu.attempts)) == drops.DEAR
    with closing(sqlite3.connect(stage.folder / "home" / "ledger.db")) as books:
        rows = books.execute("select attempt_id, run_id, status from attempts").fetchall()
    assert sorted(row[0] for row in rows) == sorted(gpu.attempts)
    assert {row[1:] for row in rows} == {(done.id, "kept")}
    assert {path.name for path in inbox.iterdir()} >= {f"{invalid.name}.errors.html", f"{done.name}.result.html"}
