"""What was left open is brought to its end without paying: each attempt where it was sent, none holding up another."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from assetmill.batch.settling import Settled, settle_everything
from assetmill.batch.still_open import Why
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Faults, Rule
from assetmill.localpod.faults import Kind
from assetmill.packs import receipt_key
from assetmill.planning.plan import State
from assetmill.storage import open_store

POOL = "ADA_24"
SKY = "  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}\n"
OTHER_GAME = """version: 1
game: {id: other, title: Other}
pack: {id: default, name: Default, seed: 1}
assets:
"""


async def settle(studio: Any, **options: Any) -> Settled:
    return await settle_everything(studio.settings, studio.clock, **options)


def change(studio: Any, what: str, *values: Any, where: str = "%") -> None:
    """Change rows behind the program's back."""
    with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
        connection.exec_driver_sql(f"update attempts set {what} where asset_id like ?", (*values, where))  # noqa: S608  our own words


def by_asset(studio: Any) -> dict[str, dict[str, Any]]:
    return {row["asset_id"]: row for row in studio.rows()}


def sleeping(naps: list[float]) -> Clock:
    """A clock on which nobody has to wait, and which remembers how long they would have."""

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(0)

    return Clock(monotonic=lambda: sum(naps), sleep=sleep)


async def listed(studio: Any) -> dict[str, Any]:
    """The endpoint's own word on its jobs: their inputs by id."""
    async with httpx.AsyncClient(headers={"Authorization": "Bearer made-up-key"}) as client:
        answer = await client.get(f"{studio.pod.url}/requests")
    return {row["id"]: row for row in answer.json()["requests"]}


@pytest.fixture
async def real(tmp_path, make_settings, tools) -> AsyncIterator[Callable[..., Any]]:
    """Endpoints that draw real art for a price, as many as a test asks for; they share books and store."""
    async with AsyncExitStack() as stack:

        async def open_one(endpoint_id: str = "gpu", **options: Any) -> Any:
            settings = make_settings(ASSETMILL_GPU_POOL=POOL, **options.pop("variables", {}))
            opened = tools.open_studio(tmp_path, settings, endpoint_id=endpoint_id, **options)
            studio = await stack.enter_async_context(opened)
            studio.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
            return studio

        yield open_one


async def test_attempts_of_several_games_and_endpoints_are_settled_where_they_were_sent(real, tmp_path):
    first, second = await real("gpu"), await real("other-gpu")
    await first.run()

    def write(assets):
        path = tmp_path / "other.yaml"
        path.write_text(OTHER_GAME + assets)
        return path

    second.write = write
    await second.run(SKY)
    before = {row["attempt_id"]: row["job_id"] for row in first.rows()}
    first.reopen()
    done = await settle(first)
    assert (done.settled, done.open, done.busy) == (4, {}, 0)
    assert done.sentence == "4 settled, 0 still open, 0 looked after by others"
    rows = first.rows()
    assert {row["game"] for row in rows} == {"tiny", "other"}
    assert {row["status"] for row in rows} == {"kept"}, "an endpoint knows only its own jobs"
    assert {row["attempt_id"]: row["job_id"] for row in rows} == before
    assert all(row["execution_ms"] is not None and row["cost_high_usd"] > 0 for row in rows)
    assert (len(first.artist.executed), len(second.artist.executed)) == (3, 1), "nothing was sent"


@pytest.mark.parametrize("by", ("game", "endpoint"))
async def test_only_one_game_or_endpoint_is_settled_where_that_is_asked_for(real, tmp_path, by):
    first, second = await real("gpu"), await real("other-gpu")
    await first.run(SKY)

    def write(assets):
        path = tmp_path / "other.yaml"
        path.write_text(OTHER_GAME + assets)
        return path

    second.write = write
    await second.run(SKY)
    first.reopen()
    chosen = {"game": {"game": "other"}, "endpoint": {"endpoint": second.pod.url}}[by]
    assert (await settle(first, **chosen)).settled == 1
    assert {row["game"]: row["status"] for row in first.rows()} == {"tiny": "submitted", "other": "kept"}


async def test_a_collected_attempt_gets_its_final_row_without_any_call(tmp_path, make_settings, tools):
    settings = make_settings(ASSETMILL_GPU_POOL=POOL)
    async with tools.open_studio(tmp_path, settings, endpoint_id="gpu") as studio:
        studio.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
        await studio.run(SKY)
        before = studio.rows()[0]
        studio.reopen("collected")
        change(studio, "execution_ms = ?", before["execution_ms"])
    studio.clock = sleeping(naps := [])  # and now the endpoint is gone
    done = await settle(studio)
    assert (done.settled, done.open, naps) == (1, {}, [])
    row = studio.rows()[0]
    told = ("status", "key", "sha256", "outputs", "cost_low_usd", "cold", "idle_ms")
    assert {name: row[name] for name in told} == {name: before[name] for name in told}
    for name in (
        "cost_estimate_usd",
        "cost_high_usd",
    ):  # the run saw its worker again since, and knows its start better
        assert abs(row[name] - before[name]) <= row["price_per_s_usd"]


async def cut_off_while_running(studio: Any) -> threading.Event:
    """A run that is ended while a worker is at its job; returns what lets the worker go on."""
    hold, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def block(_: Any) -> None:
        loop.call_soon_threadsafe(begun.set)
        hold.wait(30)

    studio.artist.before = block
    task = asyncio.create_task(studio.run(SKY))
    await asyncio.wait_for(begun.wait(), 30)
    while studio.rows()[0]["status"] != "submitted":  # noqa: ASYNC110  no event for it
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return hold


async def test_a_job_that_still_runs_stays_open_and_is_settled_by_waiting_for_it(real):
    studio = await real()
    hold = await cut_off_while_running(studio)
    done = await settle(studio)
    assert done.settled == 0
    (left,) = done.remaining.values()
    assert (left.why, left.message, left.asset) == (Why.RUNNING, "still running", "sky")
    row = studio.rows()[0]
    assert (row["status"], row["owner"]) == ("submitted", None), "given up again, for whoever comes next"
    waiting = asyncio.create_task(settle(studio, wait=True))
    while not waiting.done() and studio.rows()[0]["owner"] is None:  # noqa: ASYNC110  no event for it
        await asyncio.sleep(0)
    hold.set()
    assert (await waiting).settled == 1
    assert studio.rows()[0]["status"] == "kept"
    assert len(studio.artist.executed) == 1


TROUBLES: dict[str, tuple[str, str]] = {
    "no key": ("https://api.runpod.ai/v2/abcdefghijklm", "RUNPOD_API_KEY is not set"),
    "a foreign host": ("https://gpu.example.org/v2/mine", "no key may be sent to gpu.example.org"),
    "nobody listens": ("http://127.0.0.1:9/v2/gpu", "cannot be reached"),
}


@pytest.mark.parametrize(("url", "why"), TROUBLES.values(), ids=TROUBLES.keys())
async def test_an_endpoint_that_cannot_be_asked_keeps_its_attempts_open_and_holds_up_no_other(real, url, why):
    studio = await real()
    await studio.run()
    studio.reopen()
    change(studio, "endpoint_url = ?", url, where="crate")
    done = await settle(studio)
    crate = by_asset(studio)["crate"]
    assert (done.settled, list(done.open)) == (2, [crate["attempt_id"]])
    assert why in done.open[crate["attempt_id"]]
    assert {name: row["status"] for name, row in by_asset(studio).items()} == {
        "slime": "kept", "sky": "kept", "crate": "submitted",
    }  # fmt: skip
    assert crate["owner"] is None
    change(studio, "endpoint_url = ?", studio.pod.url, where="crate")
    assert (await settle(studio)).settled == 1, "once it can be asked, it is settled"


async def test_an_endpoint_that_refuses_the_key_keeps_its_attempts_open(real, make_settings):
    studio = await real()
    await studio.run(SKY)
    studio.reopen()
    studio.settings = make_settings(ASSETMILL_SERVE_KEY="wrong")
    done = await settle(studio)
    assert done.settled == 0
    assert "refused the key (HTTP 401)" in next(iter(done.open.values()))
    studio.settings = make_settings()
    assert (await settle(studio)).settled == 1


async def test_a_result_that_has_expired_is_lost_and_may_have_cost_what_was_planned(real):
    first, second = await real(), await real()
    await first.run(SKY)
    first.reopen()
    change(first, "endpoint_url = ?, submitted_at = ?", second.pod.url, _ago(hours=1))
    done = await settle(first)
    row = first.rows()[0]
    assert (done.settled, row["status"], row["error_class"]) == (1, "lost", "result_expired")
    assert (row["cost_low_usd"], row["cost_estimate_usd"]) == (0, None)
    assert row["cost_high_usd"] == row["planned_high_usd"] > 0


async def test_a_job_that_is_too_young_to_be_seen_is_not_given_up(real):
    first, second = await real(), await real()
    await first.run(SKY)
    first.reopen()
    change(first, "endpoint_url = ?", second.pod.url)
    done = await settle(first)
    assert (done.settled, len(done.open)) == (0, 1)
    assert first.rows()[0]["status"] == "submitted"


async def test_a_request_without_an_answer_is_found_by_its_own_key_and_collected(real):
    studio = await real()
    await studio.run()
    before = by_asset(studio)["sky"]
    studio.reopen("submitting", asset_id="sky", job=False)
    assert (await settle(studio)).settled == 1
    row = by_asset(studio)["sky"]
    assert (row["status"], row["job_id"], row["sha256"]) == ("kept", before["job_id"], before["sha256"])


async def test_a_request_that_never_arrived_has_failed_and_cost_nothing(real):
    first, second = await real(), await real()
    await first.run()
    await second.run(SKY.replace("a sky", "another sky"))
    first.reopen("submitting", asset_id="crate", job=False)
    change(first, "endpoint_url = ?", second.pod.url, where="crate")
    assert (await settle(first)).settled == 1
    row = by_asset(first)["crate"]
    assert (row["status"], row["error_class"], row["cost_high_usd"]) == ("failed", "never_arrived", 0)


async def test_where_nobody_can_tell_it_is_lost_and_may_have_cost_something(real):
    first, second = await real(), await real(faults=Faults((Rule(Kind.KEY_REFUSED, operation="requests"),)))
    await first.run()
    first.reopen("submitting", asset_id="crate", job=False)
    change(first, "endpoint_url = ?", second.pod.url, where="crate")
    assert (await settle(first)).settled == 1
    row = by_asset(first)["crate"]
    assert (row["status"], row["error_class"]) == ("lost", "outcome_unknown")
    assert row["cost_high_usd"] == row["planned_high_usd"] > 0


async def test_where_the_endpoint_cannot_be_asked_it_stays_open(real):
    first = await real()
    await first.run()
    first.reopen("submitting", asset_id="crate", job=False)
    change(first, "endpoint_url = ?", "http://127.0.0.1:9/v2/gpu", where="crate")
    done = await settle(first)
    assert (done.settled, len(done.open)) == (0, 1)
    assert by_asset(first)["crate"]["status"] == "submitting"


@pytest.mark.parametrize("wait", (False, True), ids=("look once", "wait"))
@pytest.mark.parametrize("status", ("submitting", "submitted"))
async def test_drafts_whose_endpoint_has_ended_are_lost_at_no_cost_and_without_waiting(
    tmp_path, make_settings, tools, status, wait
):
    settings = make_settings(ASSETMILL_LOOK_FOR_S="60")
    async with tools.open_studio(tmp_path, settings) as studio:
        await studio.run(SKY)
        studio.reopen(status, job=status == "submitted")
    studio.clock = sleeping(naps := [])
    assert (await settle(studio, wait=wait)).settled == 1
    row = studio.rows()[0]
    assert (row["status"], row["error_class"], row["cost_high_usd"]) == ("lost", "result_expired", 0)
    assert sum(naps) < 1


async def test_a_receipt_that_was_written_before_a_crash_decides(real):
    first, second = await real(), await real()
    await first.run(SKY)
    before = first.rows()[0]
    store = open_store(first.settings.store_url)
    receipt = json.loads(store.get(receipt_key("tiny", before["attempt_id"])))
    change(first, "status = 'submitted', settled_at = null, cost_estimate_usd = null, owner = null")
    change(first, "endpoint_url = ?, submitted_at = ?", second.pod.url, _ago(hours=1))  # where nobody knows the job
    assert (await settle(first)).settled == 1
    row = first.rows()[0]
    assert row["status"] == receipt["attempt"]["status"] == "kept"
    assert row["settled_at"] == before["settled_at"]
    assert row["cost_estimate_usd"] == before["cost_estimate_usd"] > 0
    assert json.loads(store.get(receipt_key("tiny", before["attempt_id"]))) == receipt, "written once"


async def test_a_receipt_decides_even_where_the_endpoint_cannot_be_asked(real):
    studio = await real()
    await studio.run(SKY)
    change(
        studio, "status = 'submitted', settled_at = null, owner = null, endpoint_url = ?", "http://127.0.0.1:9/v2/gpu"
    )
    assert (await settle(studio)).settled == 1
    assert studio.rows()[0]["status"] == "kept"


async def test_what_was_settled_alone_is_cached_for_the_next_run_and_finished_for_free(real, tools):
    studio = await real()
    await studio.run()
    studio.reopen()
    assert (await settle(studio)).settled == 3
    report, plan = await studio.run_and_plan(tools.three)
    assert {item.state for item in plan.items} == {State.CACHED}
    assert (report.exit_code, report.generated, report.refinished, report.cached) == (0, 0, 3, 3)
    assert report.published is False, "the very same pixels"
    assert len(studio.artist.executed) == len(studio.rows()) == 3


async def test_a_failure_that_is_found_alone_is_settled_as_what_it_was_and_not_sent_again(real):
    studio = await real()
    await studio.run(SKY)
    studio.reopen()
    studio.artist.answers.clear()
    job_id = studio.rows()[0]["job_id"]
    assert job_id in await listed(studio)
    async with httpx.AsyncClient(headers={"Authorization": "Bearer made-up-key"}) as client:
        answer = await client.post(f"{studio.pod.url}/run", json={"input": {"no": "workflow"}})
    change(studio, "job_id = ?", answer.json()["id"])
    done = await settle(studio, wait=True)
    row = studio.rows()[0]
    assert (done.settled, row["status"], row["cost_estimate_usd"] is not None) == (1, "failed", True)
    assert len(studio.rows()) == 1


async def test_one_of_which_another_process_is_busy_is_left_alone(real):
    studio = await real()
    await studio.run()
    studio.reopen()
    later = (datetime.now(UTC) + timedelta(minutes=5)).replace(tzinfo=None)
    change(studio, "owner = 'somebody', owner_place = 'elsewhere/1/1', claimed_until = ?", str(later), where="crate")
    done = await settle(studio)
    assert (done.settled, done.open, done.busy) == (2, {}, 1)
    crate = by_asset(studio)["crate"]
    assert (crate["status"], crate["owner"]) == ("submitted", "somebody")


def _ago(**span: float) -> str:
    """As the books write times."""
    return str((datetime.now(UTC) - timedelta(**span)).replace(tzinfo=None))
