"""A smoke test is a real job: paid for and in the books, looked at when it is back, and told with its times."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.errors import ConsentMissing, UsageError
from assetmill.ledger import Ledger
from assetmill.localpod import Faults, Kind, PodConfig, Rule, running_pod, scaled
from assetmill.localpod.comfyui import ComfyConfig, running_comfyui
from assetmill.localpod.draft import render
from assetmill.localpod.scenario import ScenarioConfig, running_scenario
from assetmill.money import NO_PRICE
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.smoke import KINDS, Report, Shot, State
from assetmill.smoke.run import Wanted, smoke


async def test_a_kind_is_sent_as_it_comes_and_once_more_warm_each_with_a_seed_of_its_own(lab):
    async with lab.pod() as pod:
        report = await lab.smoke(pod.url, "txt2img")
        assert len(pod.executions()) == 2
    assert [(shot.kind, shot.turn, shot.state) for shot in report.shots] == [
        ("txt2img", "first", State.PASSED), ("txt2img", "warm", State.PASSED),
    ]  # fmt: skip
    assert list(report.shots) == lab.told, "told one by one"
    assert report.shots[0].seed != report.shots[1].seed
    assert report.sentence.startswith("1 of 1 passed at ep@")


async def test_every_job_is_in_the_books_of_the_game_smoke_with_what_it_cost(lab):
    async with lab.pod(exec_seconds=0.05) as pod:
        report = await lab.smoke(pod.url, "background")
    rows = lab.rows()
    assert {(row["game"], row["asset_id"], row["asset_type"], row["status"]) for row in rows} == {
        ("smoke", "background", "background", "kept")
    }
    assert [row["attempt_id"] for row in rows] == [shot.attempt_id for shot in report.shots]
    assert report.cost_usd == sum(row["cost_estimate_usd"] for row in rows) > 0
    assert [row["execution_ms"] for row in rows] == [shot.split.execution_ms for shot in report.shots]
    with Ledger.open(lab.settings.ledger_url) as ledger:
        [run] = ledger.runs()
        assert ledger.open_attempts() == []
    assert (run["state"], run["kept"], run["failed"]) == ("finished", 2, 0)


async def test_a_second_command_is_not_answered_by_what_the_first_has_made(lab):
    async with lab.pod() as pod:
        for _ in range(2):
            await lab.smoke(pod.url, "txt2img", once=True, prompt="a fox")
        assert len(pod.executions()) == 2
    assert len({row["fingerprint"] for row in lab.rows()}) == 2
    assert len({row["seed"] for row in lab.rows()}) == 2


async def test_the_pictures_are_saved_as_they_came_and_are_in_the_store_too(lab):
    async with lab.pod() as pod:
        report = await lab.smoke(pod.url, "parallax", once=True)
    [shot] = report.shots
    assert [file.role for file in shot.files] == ["full", "far", "mid", "near", "depth"]
    assert (lab.folder / "parallax-first-near.png").read_bytes() == lab.picture((1344, 768), "cut")
    assert sorted(path.name for path in lab.folder.iterdir()) == sorted(
        f"parallax-first-{one.role}.png" for one in shot.files
    )


async def test_the_split_adds_up_to_the_whole_and_the_first_job_is_told_as_cold(lab):
    async with lab.pod(cold_start_s=0.3, exec_seconds=0.1) as pod:
        report = await lab.smoke(pod.url, "txt2img")
    first, warm = report.shots
    for shot in report.shots:
        split = shot.split
        assert split.start_ms + split.execution_ms + split.transfer_ms == split.whole_ms
    assert first.split.start_ms >= 300
    assert (first.cold, warm.cold) == (True, False)
    assert first.cold_why.startswith(f"it was the first job of worker {first.worker_id}'s life")
    assert warm.split.start_ms < first.split.start_ms


async def test_a_cut_out_that_is_none_is_rejected_and_can_be_looked_at(lab):
    async with lab.pod(lambda job: lab.answer(job, "opaque")) as pod:
        report = await lab.smoke(pod.url, "entity", once=True)
    [shot] = report.shots
    words = "image: nothing was cut out: all of it is opaque"
    assert (shot.state, shot.problems, report.exit_code) == (State.REJECTED, (words,), 1)
    [row] = lab.rows()
    assert (row["status"], row["error_class"], row["error_text"]) == ("rejected", "rejected", words)
    assert (lab.folder / "entity-first.png").exists()


async def test_a_job_without_one_of_its_outputs_fails_and_is_not_paid_for_a_second_time(lab):
    async with lab.pod(lambda job: {"images": lab.answer(job)["images"][:3]}) as pod:
        report = await lab.smoke(pod.url, "parallax")
        assert len(pod.executions()) == 1
    [shot] = report.shots
    assert (shot.state, shot.error, report.exit_code) == (State.FAILED, "wrong_count", 1)
    assert lab.rows()[0]["status"] == "failed"


async def test_kinds_that_fail_do_not_hide_the_others_and_a_guide_stands_in_for_a_picture_that_is_missing(lab):
    first = iter([{"error": "Job processing failed"}])

    def lacking(job: Any) -> Any:
        if any(node["class_type"] == "DepthAnything_V2" for node in job["workflow"].values()):
            return {"error": "Workflow validation failed:\nNode 30 (ckpt): Value not in list"}
        return next(first, None) or lab.answer(job)

    async with lab.pod(lacking) as pod:
        report = await lab.smoke(pod.url, "full", once=True)
        assert len(pod.executions()) == len(KINDS)
    assert report.passed == tuple(kind for kind in KINDS if kind not in ("txt2img", "parallax"))
    assert (report.exit_code, report.stopped) == (1, "")
    assert report.sentence.endswith("by 8 jobs; not txt2img (failed), parallax (failed)")
    drawn = {shot.kind: shot.drawn_from for shot in report.shots}
    assert drawn["img2img"] == drawn["entity"] == "a guide of our own"
    assert drawn["remove-background"] == "the picture of img2img"
    assert drawn["background"] == "words"


async def test_a_picture_of_the_callers_is_what_travels(lab, tmp_path):
    image = tmp_path / "hero.webp"
    Image.new("RGB", (800, 600), "#336699").save(image)
    sizes = []

    def noted(job: Any) -> Any:
        sizes.append(job["images"][0]["name"])
        return lab.answer(job, "cut", (800, 600))

    async with lab.pod(noted) as pod:
        report = await lab.smoke(pod.url, "remove-background", image=image, once=True)
    assert (report.exit_code, report.shots[0].drawn_from) == (0, str(image))
    assert sizes == [f"{report.shots[0].attempt_id}.png"]
    assert [(row["width"], row["height"]) for row in lab.rows()] == [(800, 600)]


@pytest.mark.parametrize(("kind", "words"), (("txt2img", "takes no IMAGE"), ("sprite", "no smoke test is called")))
async def test_what_cannot_be_is_said_before_anything_is_opened(lab, tmp_path, kind, words):
    image = tmp_path / "hero.png"
    image.write_bytes(lab.picture((1024, 1024), "whole"))
    with pytest.raises(UsageError, match=words):
        await lab.smoke("http://127.0.0.1:9/v2/ep", kind, image=image)
    assert not lab.settings.home.exists()


async def test_a_file_that_is_no_picture_and_a_folder_that_cannot_be_cost_nothing(lab, tmp_path):
    text = tmp_path / "hero.png"
    text.write_text("no picture")
    async with lab.pod() as pod:
        with pytest.raises(UsageError, match="not a PNG, JPEG or WebP"):
            await lab.smoke(pod.url, "img2img", image=text)
        lab.folder = text
        with pytest.raises(UsageError, match="cannot save pictures"):
            await lab.smoke(pod.url, "txt2img")
        assert pod.executions() == ()


async def test_nothing_is_sent_where_nobody_agrees(lab):
    def refuse(*_: object) -> None:
        raise ConsentMissing("not agreed; nothing was sent")

    async with lab.pod() as pod:
        with pytest.raises(ConsentMissing):
            await smoke(
                lab.settings, resolve_endpoint(lab.settings, pod.url), Clock(), Wanted("full"), refuse, lab.told.append
            )
        assert pod.executions() == ()


async def test_what_is_agreed_to_covers_all_jobs_with_the_endpoints_own_price(lab):
    told = []
    async with lab.pod() as pod:
        endpoint = resolve_endpoint(lab.settings, pod.url)
        wanted = Wanted("txt2img", folder=lab.folder)
        await smoke(lab.settings, endpoint, Clock(), wanted, lambda *one: told.append(one), lab.told.append)
    [(running, total)] = told
    assert (running.usd_per_s, total.jobs, total.workers) == (Decimal("0.00031"), 2, 1)
    assert total.cost.low < total.cost.estimate < total.cost.high


async def test_a_key_that_is_refused_sends_nothing_and_ends_with_4(lab):
    async with running_pod(PodConfig(endpoint_id="ep", api_key="another-key-0123456789"), render, Clock()) as pod:
        report = await lab.smoke(pod.url, "full", once=True)
        assert pod.executions() == ()
    assert (report.exit_code, {shot.state for shot in report.shots}) == (4, {State.UNSENT})
    assert len(report.shots) == len(KINDS)
    assert "refused the key" in report.stopped
    assert lab.rows() == []


async def test_an_endpoint_that_does_not_answer_ends_the_matter_with_4(lab):
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    report = await lab.smoke("http://127.0.0.1:9/v2/ep", "full", replace(Clock(), sleep=at_once))
    assert (report.exit_code, report.shots[0].state) == (4, State.FAILED)
    assert {shot.state for shot in report.shots[1:]} == {State.UNSENT}
    assert [(row["status"], row["cost_high_usd"]) for row in lab.rows()] == [("failed", 0)]


async def test_words_that_no_manifest_takes_are_refused_before_anything_is_sent(lab):
    async with lab.pod() as pod:
        with pytest.raises(UsageError, match="at most 4000 characters"):
            await lab.smoke(pod.url, "entity", prompt="fox " * 2000)
        assert pod.executions() == ()


async def test_no_job_waits_where_no_worker_could_ever_take_it(lab):
    async with lab.pod(faults=Faults(max_workers=0)) as pod:
        report = await lab.smoke(pod.url, "txt2img")
        assert pod.executions() == ()
    assert report.exit_code == 4
    assert "max workers is 0" in report.stopped
    assert lab.rows() == [], "it was not even written down"


async def test_a_budget_that_is_too_small_sends_nothing_and_ends_with_3(lab):
    async with lab.pod() as pod:
        report = await lab.smoke(pod.url, "full", budget_usd=Decimal("0.0001"))
        assert pod.executions() == ()
    assert (report.exit_code, lab.rows()) == (3, [])


async def test_a_lost_answer_is_looked_for_and_the_job_is_sent_once(lab):
    async with lab.pod(faults=Faults((Rule(Kind.LOST_ANSWER, times=1),))) as pod:
        report = await lab.smoke(pod.url, "txt2img", once=True)
        assert len(pod.executions()) == 1
    assert report.exit_code == 0, report.shots[0].problems


async def test_a_request_that_provably_never_arrived_is_sent_again_and_no_failure_of_the_endpoint(lab):
    lost = Faults((Rule(Kind.LOST_REQUEST, operation="run", times=1),))
    async with lab.pod(faults=lost) as pod:
        report = await lab.smoke(pod.url, "txt2img", scaled(Clock(), 20), once=True)
        assert len(pod.executions()) == 1
    assert (report.exit_code, len(report.shots)) == (0, 1), report.shots[0].problems
    assert [(row["status"], row["error_class"]) for row in lab.rows()] == [("failed", "never_arrived"), ("kept", None)]


class Held:
    """A worker that is at its job until it is told to go on."""

    def __init__(self, lab: Any) -> None:
        self._lab = lab
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, job: Any) -> Any:
        self.begun.set()
        self.go_on.wait(30)
        return self._lab.answer(job)


async def test_the_first_ctrl_c_brings_in_what_is_out_and_sends_nothing_more(lab):
    held = Held(lab)
    async with lab.pod(held) as pod:
        testing = asyncio.create_task(lab.smoke(pod.url, "full"))
        await asyncio.to_thread(held.begun.wait, 30)
        os.kill(os.getpid(), signal.SIGINT)
        held.go_on.set()
        report = await testing
        assert len(pod.executions()) == 1
    assert [shot.state for shot in report.shots[:2]] == [State.PASSED, State.UNSENT]
    assert report.exit_code == 130
    with Ledger.open(lab.settings.ledger_url) as ledger:
        assert [run["state"] for run in ledger.runs()] == ["interrupted"]


async def test_the_second_ctrl_c_leaves_a_row_that_settling_brings_to_its_end(lab):
    held = Held(lab)
    async with lab.pod(held) as pod:
        testing = asyncio.create_task(lab.smoke(pod.url, "txt2img"))
        await asyncio.to_thread(held.begun.wait, 30)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(asyncio.CancelledError):
            await testing
        with Ledger.open(lab.settings.ledger_url) as ledger:
            [left] = ledger.open_attempts(game="smoke")
        assert left.job_id == pod.executions()[0].job_id
        held.go_on.set()
        done = await settle_everything(lab.settings, Clock(), wait=True)
    assert (done.settled, done.remaining) == (1, {})
    assert [row["status"] for row in lab.rows()] == ["kept"]


async def test_a_comfyui_server_is_tested_by_the_same_graphs(lab):
    async with running_comfyui(ComfyConfig(), Clock()) as server:
        report = await lab.smoke(f"comfyui+{server.url}", "remove-background", once=True)
    [shot] = report.shots
    assert shot.state is State.PASSED, shot.problems
    assert (shot.cold, shot.workflow) == (None, "remove-background")
    assert "up anyhow" in shot.cold_why


@pytest.mark.parametrize(
    ("kind", "workflow"),
    (("remove-background", "scenario-remove-background"), ("parallax", "scenario-parallax-layers-2")),
)
async def test_scenario_is_tested_by_its_pipelines(lab, settings_with, kind, workflow):
    lab.settings = settings_with(SCENARIO_API_KEY="a-key-of-ours", SCENARIO_SECRET_API_KEY="a-secret-of-ours")
    async with running_scenario(ScenarioConfig(api_key="a-key-of-ours", secret="a-secret-of-ours"), Clock()) as server:
        report = await lab.smoke(f"scenario+{server.url}", kind, once=True)
    [shot] = report.shots
    assert (shot.state, shot.workflow) == (State.PASSED, workflow), shot.problems
    assert shot.cold_why == "Scenario tells nothing of its workers"


def test_a_report_of_an_unknown_price_does_not_say_zero():
    shot = Shot("txt2img", "first", State.PASSED, cost=NO_PRICE, attempt_id="a")
    report = Report(
        "r", "e", "runpod", "u", draft=False, prompt="p", folder="f", store="s", shots=(shot, replace(shot))
    )
    assert report.cost_usd is None
    assert report.as_json()["cost_usd"] is None
