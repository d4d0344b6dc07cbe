"""What the local Scenario refuses, and in which words."""

from __future__ import annotations

import base64
from dataclasses import replace

import httpx
import pytest

from assetmill.errors import UsageError
from assetmill.localpod.scenario import DRY_RUN, ScenarioConfig, running_scenario

LOCKED = ScenarioConfig(api_key="key-of-a-test", secret="secret-of-a-test", projects=frozenset({"ours"}))
WORDS = {"modelId": "flux.1-dev", "prompt": "a hill", "numSamples": 1, "width": 64, "height": 64}


WRONG_FIELDS = (
    ("txt2img", {"prompt": None}, "prompt", "is required"),
    ("txt2img", {"promt": "a hill"}, "promt", "is not allowed"),
    ("txt2img", {"width": 70}, "width", "must be a multiple of 8"),
    ("txt2img", {"width": 4096}, "width", "must be at most 2048"),
    ("txt2img", {"guidance": 10.5}, "guidance", "must be 0 to 10 for flux.1-dev"),
    ("txt2img", {"modelId": "flux.1-pro", "guidance": 1}, "guidance", "must be 2 to 5 for flux.1-pro"),
    ("txt2img", {"seed": 5}, "seed", "must be a string"),
    ("txt2img", {"seed": "five"}, "seed", "must be a whole number, as text"),
    ("txt2img", {"numSamples": "1"}, "numSamples", "must be a number"),
    ("txt2img", {"hideResults": "yes"}, "hideResults", "must be a boolean"),
    ("txt2img", {"modelId": "model_bria-remove-background"}, "modelId", "is no model for txt2img"),
    ("img2img", {}, "image", "is required"),
    ("img2img", {"image": "asset_x", "strength": 0}, "strength", "must be at least 0.01"),
    ("custom/model_qwen-image-layered", {"image": "x", "layersCount": 11}, "layersCount", "must be at most 10"),
)


async def test_a_wrong_field_is_named(open_scenario):
    async with open_scenario() as caller:
        for call, body, field, said in WRONG_FIELDS:
            answer = await caller.post(f"/generate/{call}", body if call.startswith("custom") else WORDS | body)
            told = answer.json()
            assert (answer.status_code, told["infos"][field]) == (400, said), (call, body)
            assert told["trace_id"].startswith("tr_")
        assert caller.server.jobs() == ()


@pytest.mark.parametrize("body", (b"{", b"[]", b'"text"'))
async def test_a_body_that_is_no_object_is_refused(open_scenario, body):
    async with open_scenario() as caller:
        answer = await caller.api.post("/generate/txt2img", content=body)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("call", "body", "status"),
    (
        ("txt2img", WORDS | {"modelId": "flux.9"}, 404),
        ("custom/model_none", {}, 404),
        ("remove-background", {"image": "asset_none"}, 404),
        ("txt2img", WORDS | {"modelId": "flux.1.1-pro-ultra"}, 403),
        ("custom/flux.1-dev", WORDS, 400),
    ),
)
async def test_what_there_is_not_or_the_plan_lacks_is_refused(open_scenario, call, body, status):
    async with open_scenario() as caller:
        answer = await caller.post(f"/generate/{call}", body)
    assert answer.status_code == status
    assert "reason" in answer.json()


async def test_every_call_wants_both_keys_and_a_project_that_is_known(open_scenario):
    async with open_scenario(LOCKED) as caller:
        wrong = [None, ("key-of-a-test", "other"), ("other", "secret-of-a-test"), ("", "")]
        for keys in wrong:
            answer = await caller.bare.get(f"{caller.server.url}/jobs", auth=keys)
            assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        bearer = await caller.bare.get(f"{caller.server.url}/jobs", headers={"Authorization": "Bearer key-of-a-test"})
        assert bearer.status_code == 401
        assert (await caller.get("/jobs", projectId="ours")).status_code == 200
        assert (await caller.get("/jobs", projectId="theirs")).status_code == 403


async def test_a_dry_run_says_what_a_call_would_cost_and_takes_no_job(open_scenario, guide):
    async with open_scenario() as caller:
        image = await caller.uploaded(guide)
        calls = {
            "txt2img": WORDS, "img2img": WORDS | {"image": image}, "remove-background": {"image": image},
            "custom/model_qwen-image-layered": {"image": image},
        }  # fmt: skip
        answers = [await caller.post(f"/generate/{call}", body, dryRun="true") for call, body in calls.items()]
        told = [(answer.status_code, answer.json()["creativeUnitsCost"]) for answer in answers]
        assert caller.server.jobs() == ()
        paid = [(await caller.made(call, body))["billing"]["cuCost"] for call, body in calls.items()]
        assert caller.server.charged_units == sum(paid)
    assert [status for status, _ in told] == [DRY_RUN] * 4
    assert [units for _, units in told] == paid == [5, 5, 15.625, 7.5]


async def test_more_jobs_than_the_ceiling_are_refused_until_one_has_ended(open_scenario):
    async with open_scenario(ScenarioConfig(parallel=2)) as caller:
        caller.server.hold()
        taken = [await caller.post("/generate/txt2img", WORDS) for _ in range(2)]
        refused = await caller.post("/generate/txt2img", WORDS)
        caller.server.release()
        await caller.server.settled()
        again = await caller.post("/generate/txt2img", WORDS)
        await caller.server.settled()
        assert caller.server.most_outstanding == 2
    assert [answer.status_code for answer in (*taken, again)] == [200] * 3
    assert refused.status_code == 429
    assert refused.json()["infos"] == {"actionName": "parallel-inferences", "actionLimit": 2}


async def test_a_body_that_the_gateway_does_not_take_is_refused(open_scenario):
    async with open_scenario(ScenarioConfig(body_bytes=1000)) as caller:
        answer = await caller.post("/assets", {"name": "a", "image": base64.b64encode(b"a" * 1000).decode()})
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Too Long"})


@pytest.mark.parametrize("cancels", (False, True))
async def test_a_job_can_be_cancelled_only_where_its_kind_can_and_is_then_paid_back(open_scenario, cancels):
    async with open_scenario(ScenarioConfig(cancels=cancels)) as caller:
        caller.server.hold()
        job_id = (await caller.post("/generate/txt2img", WORDS)).json()["job"]["jobId"]
        answer = await caller.post(f"/jobs/{job_id}/action", {"action": "cancel"})
        caller.server.release()
        await caller.server.settled()
        status = (await caller.get(f"/jobs/{job_id}")).json()["job"]["status"]
        assert caller.server.charged_units == (0 if cancels else 5)
    assert answer.status_code == (200 if cancels else 400)
    assert status == ("canceled" if cancels else "success")
    assert cancels or answer.json()["reason"] == "Cannot cancel this type of job"


async def test_a_model_tells_what_it_takes(open_scenario):
    async with open_scenario() as caller:
        layered = (await caller.get("/models/model_qwen-image-layered")).json()["model"]
        own, public = (await caller.get("/models")).json(), (await caller.get("/models/public", pageSize="2")).json()
        missing = await caller.get("/models/model_none")
    assert layered["inputs"][0] == {"name": "image", "type": "file", "required": {"always": True}, "kind": "image"}
    assert layered["capabilities"] == ["img2img"]
    assert own == {"models": []}
    assert (len(public["models"]), public["nextPaginationToken"]) == (2, "2")
    assert missing.status_code == 404


async def test_what_there_is_no_route_for_is_404(open_scenario):
    async with open_scenario() as caller:
        assert (await caller.get("/nothing")).status_code == 404
        assert (await caller.get("/generate/txt2img")).status_code == 405
        outside = await caller.bare.get(caller.server.url.replace("/draft/v1", "/v1/jobs"))
    assert outside.status_code == 404


@pytest.mark.parametrize(
    "wrong",
    (
        {"api_key": "a"}, {"painters": 0}, {"parallel": 0}, {"port": 70_000}, {"host": "0.0.0.0"},  # noqa: S104  refused
        {"host": "0.0.0.0", "allow_remote": True},  # noqa: S104  refused too: it has no key
    ),
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError):
        replace(ScenarioConfig(), **wrong)


async def test_a_taken_port_is_said():
    async with running_scenario() as server:
        port = httpx.URL(server.url).port or 0
        with pytest.raises(UsageError, match="cannot listen"):
            async with running_scenario(ScenarioConfig(port=port)):
                pass
