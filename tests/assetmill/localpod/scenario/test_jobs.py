"""The life of the local Scenario's jobs: statuses by the clock, listings, bills."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from assetmill.clock import Clock
from assetmill.localpod.scenario import Fault, Kind, ScenarioConfig, Stages, Status

WORDS = {"modelId": "flux.1-dev", "prompt": "a hill", "numSamples": 1, "width": 64, "height": 64, "seed": "1"}
START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_job_goes_through_every_status_by_the_clock(open_scenario, hand_time):
    config = ScenarioConfig(stages=Stages(queued_s=1, warming_up_s=2, in_progress_s=3, finalizing_s=4))
    async with open_scenario(config, hand_time.clock) as caller:
        job_id = (await caller.post("/generate/txt2img", WORDS)).json()["job"]["jobId"]
        seen = []
        for seconds in (1, 2, 3, 4):
            await hand_time.sleeping(1)
            job = (await caller.get(f"/jobs/{job_id}")).json()["job"]
            seen.append((job["status"], job["progress"], job["metadata"]["assetIds"]))
            await hand_time.advance(seconds)
        await caller.server.settled()
        ended = (await caller.get(f"/jobs/{job_id}")).json()["job"]
    assert [status for status, _, _ in seen] == ["queued", "warming-up", "in-progress", "finalizing"]
    assert [progress for _, progress, _ in seen] == [0, 0, 0.5, 0.9]
    assert all(assets == [] for _, _, assets in seen), "no asset before success"
    assert (ended["status"], ended["progress"]) == ("success", 1)
    assert [one["status"] for one in ended["statusHistory"]] == [
        "pending", "queued", "warming-up", "in-progress", "finalizing", "success",
    ]  # fmt: skip


async def test_a_held_job_stays_in_progress(open_scenario):
    async with open_scenario() as caller:
        caller.server.hold()
        job_id = (await caller.post("/generate/txt2img", WORDS)).json()["job"]["jobId"]
        for _ in range(5):
            status = (await caller.get(f"/jobs/{job_id}")).json()["job"]["status"]
        assert status == "in-progress"
        caller.server.release()
        await caller.server.settled()
        assert caller.server.jobs()[0].status is Status.SUCCESS


async def test_a_job_tells_the_very_body_that_asked_for_it(open_scenario):
    async with open_scenario() as caller:
        job = await caller.made("txt2img", WORDS)
        custom = await caller.made("custom/model_retrodiffusion-plus", {"prompt": "a hill", "width": 64, "height": 64})
    assert job["metadata"]["input"] == WORDS
    assert custom["metadata"]["input"] == {
        "prompt": "a hill", "width": 64, "height": 64, "modelId": "model_retrodiffusion-plus",
    }  # fmt: skip
    assert (job["jobType"], custom["jobType"]) == ("flux", "custom")


@pytest.mark.parametrize("refund", (True, False))
async def test_a_failed_job_says_why_and_is_paid_back(open_scenario, refund):
    config = ScenarioConfig(faults=(Fault(Kind.FAILURE, error="NSFW content", refund=refund),))
    async with open_scenario(config) as caller:
        job = await caller.made("txt2img", WORDS)
        usage = (await caller.get("/usages")).json()
        charged = caller.server.charged_units
    assert (job["status"], job["metadata"]["error"]) == ("failure", "NSFW content")
    assert job["metadata"]["assetIds"] == []
    assert job["billing"] == {"cuCost": 5, "cuDiscount": 0} | ({} if refund else {"disableRefund": True})
    assert charged == usage["consumption"][0]["total"] == (0 if refund else 5)


async def test_a_file_that_is_no_picture_fails_the_job_that_starts_from_it(open_scenario, guide):
    async with open_scenario() as caller:
        torn = await caller.uploaded(guide[: len(guide) // 2])
        job = await caller.made("remove-background", {"image": torn})
    assert job["status"] == "failure"
    assert "picture" in job["metadata"]["error"]


async def test_jobs_are_listed_newest_first_page_by_page_each_once(open_scenario):
    moments = iter(START + timedelta(seconds=second) for second in range(10_000))
    clock = replace(Clock(), now=lambda: next(moments))
    async with open_scenario(ScenarioConfig(parallel=9), clock) as caller:
        made = [(await caller.made("txt2img", WORDS | {"seed": str(seed)}))["jobId"] for seed in range(5)]
        pages, token = [], None
        while True:
            query = {"pageSize": "2"} | ({"paginationToken": token} if token else {})
            answer = (await caller.get("/jobs", **query)).json()
            pages.append([job["jobId"] for job in answer["jobs"]])
            token = answer.get("nextPaginationToken")
            if token is None:
                break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [job_id for page in pages for job_id in page] == made[::-1]


async def test_a_listing_is_narrowed_by_time_status_and_type(open_scenario, guide):
    moments = iter(START + timedelta(seconds=second) for second in range(10_000))
    async with open_scenario(clock=replace(Clock(), now=lambda: next(moments))) as caller:
        first = await caller.made("txt2img", WORDS)
        second = await caller.made("remove-background", {"image": await caller.uploaded(guide)})

        async def listed(**query: str) -> list[str]:
            return [job["jobId"] for job in (await caller.get("/jobs", **query)).json()["jobs"]]

        assert await listed(createdAfter=first["createdAt"]) == [second["jobId"]]
        assert await listed(types="flux,inference") == [first["jobId"]]
        assert await listed(type="remove-background", updatedAfter=first["updatedAt"]) == [second["jobId"]]
        assert await listed(status="failure") == []
        assert await listed(status="success") == [second["jobId"], first["jobId"]]


async def test_a_listing_may_come_late_and_hide_what_jobs_were_asked_for(open_scenario):
    moment = [START]
    clock = replace(Clock(), now=lambda: moment[0])
    async with open_scenario(ScenarioConfig(lists_input=False, listing_lag_s=20), clock) as caller:
        made = await caller.made("txt2img", WORDS)
        early = (await caller.get("/jobs")).json()["jobs"]
        moment[0] += timedelta(seconds=20)
        late = (await caller.get("/jobs")).json()["jobs"]
    assert early == []
    assert [(job["jobId"], "input" in job["metadata"]) for job in late] == [(made["jobId"], False)]
    assert made["metadata"]["input"] == WORDS


async def test_a_listing_that_cannot_be_is_refused(open_scenario):
    moment = "2026-01-01T00:00:00Z"
    wrong = (
        {"pageSize": "0"}, {"pageSize": "101"}, {"paginationToken": "x"}, {"status": "failed"},
        {"createdAfter": "noon"}, {"createdAfter": moment, "status": "success"}, {"updatedAfter": moment},
    )  # fmt: skip
    async with open_scenario() as caller:
        assert [(await caller.get("/jobs", **query)).status_code for query in wrong] == [400] * len(wrong)


async def test_nobody_waits_for_jobs_when_the_endpoint_goes(open_scenario):
    async with open_scenario() as caller:
        caller.server.hold()
        await caller.post("/generate/txt2img", WORDS)
    assert caller.server.executions() == {"txt2img": 1}
