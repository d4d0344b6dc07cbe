"""Faults of the local Scenario: each strikes whom it is meant for, as often as it says, and tells the truth after."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from assetmill.errors import UsageError
from assetmill.localpod.scenario import MODELS, Fault, Kind, ScenarioConfig, Status, read_faults_file
from assetmill.localpod.scenario.faults import CALLS

WORDS = {"modelId": "flux.1-dev", "prompt": "a hill", "numSamples": 1, "width": 64, "height": 64, "seed": "1"}


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    (
        (Fault(Kind.CEILING), 429, {"infos": {"actionName": "parallel-inferences", "actionLimit": 8}}),
        (Fault(Kind.COOL_DOWN, seconds=7), 429, {"remainingSeconds": 7}),
        (Fault(Kind.BAD_REQUEST), 400, {"infos": {"prompt": "asks for it"}}),
        (Fault(Kind.NO_PLAN), 403, {"reason": "Your plan does not include this model"}),
        (Fault(Kind.ERROR, status=502), 502, {"message": "Internal server error"}),
    ),
)
async def test_a_refused_call_takes_no_job_and_the_next_one_does(open_scenario, fault, status, told):
    async with open_scenario(ScenarioConfig(faults=(fault,))) as caller:
        refused = await caller.post("/generate/txt2img", WORDS)
        assert caller.server.executions() == {}
        again = await caller.post("/generate/txt2img", WORDS)
        await caller.server.settled()
        assert caller.server.struck() == {fault.kind: 1}
    assert (refused.status_code, again.status_code) == (status, 200)
    assert told.items() <= refused.json().items()


@pytest.mark.parametrize(("kind", "jobs"), ((Kind.CUT, 0), (Kind.ANSWER_LOST, 1), (Kind.RESET, 1)), ids=str)
async def test_a_connection_that_breaks_leaves_a_job_behind_or_none(open_scenario, kind, jobs):
    async with open_scenario(ScenarioConfig(faults=(Fault(kind),))) as caller:
        with pytest.raises(httpx.TransportError):
            await caller.post("/generate/txt2img", WORDS)
        listed = (await caller.get("/jobs")).json()["jobs"]
        await caller.server.settled()
        assert caller.server.charged_units == 5 * jobs
    assert [job["metadata"]["input"] for job in listed] == [WORDS] * jobs


async def test_an_error_may_hide_that_a_job_was_taken(open_scenario):
    async with open_scenario(ScenarioConfig(faults=(Fault(Kind.ERROR_AFTER, status=504),))) as caller:
        answer = await caller.post("/generate/txt2img", WORDS)
        await caller.server.settled()
        assert caller.server.executions() == {"txt2img": 1}
    assert answer.status_code == 504


@pytest.mark.parametrize(("kind", "status"), ((Kind.FAILURE, "failure"), (Kind.CANCELED, "canceled")))
async def test_a_job_that_ends_badly_costs_nothing_and_made_nothing(open_scenario, kind, status):
    async with open_scenario(ScenarioConfig(faults=(Fault(kind),))) as caller:
        job = await caller.made("txt2img", WORDS)
        assert caller.server.charged_units == 0
    assert (job["status"], job["metadata"]["assetIds"]) == (status, [])


async def test_a_slow_job_takes_as_much_longer_as_is_said(open_scenario, hand_time):
    async with open_scenario(ScenarioConfig(faults=(Fault(Kind.SLOW, seconds=30),)), hand_time.clock) as caller:
        await caller.post("/generate/txt2img", WORDS)
        await hand_time.sleeping(1)
        await hand_time.advance(29)
        assert caller.server.jobs()[0].status is Status.IN_PROGRESS
        await hand_time.advance(1)
        await caller.server.settled()
        assert caller.server.jobs()[0].status is Status.SUCCESS


async def test_a_file_may_come_torn_or_not_at_all_and_is_whole_the_next_time(open_scenario):
    async with open_scenario() as caller:
        asset_id = (await caller.made("txt2img", WORDS))["metadata"]["assetIds"][0]
        whole = await caller.file(asset_id)
        caller.server.inject(Fault(Kind.TRUNCATED))
        torn = await caller.file(asset_id)
        caller.server.inject(Fault(Kind.FORBIDDEN))
        refused = await caller.bare.get((await caller.asset(asset_id))["url"])
        assert await caller.file(asset_id) == whole
    assert torn == whole[: len(whole) // 2]
    assert refused.status_code == 403


async def test_a_fault_spares_strikes_and_chooses_as_it_is_told(open_scenario):
    faults = (
        Fault(Kind.ERROR, after=1, times=2),
        Fault(Kind.COOL_DOWN, call="job", times=None),
        Fault(Kind.BAD_REQUEST, match="dragon", times=None),
    )
    async with open_scenario(ScenarioConfig(faults=faults)) as caller:
        posts = [(await caller.post("/generate/txt2img", WORDS)).status_code for _ in range(4)]
        dragon = await caller.post("/generate/txt2img", WORDS | {"prompt": "a dragon"})
        job_id = caller.server.jobs()[0].id
        looks = [(await caller.get(f"/jobs/{job_id}")).status_code for _ in range(2)]
        listing = await caller.get("/jobs")
        await caller.server.settled()
    assert posts == [200, 503, 503, 200]
    assert dragon.status_code == 400
    assert looks == [429, 429]
    assert listing.status_code == 200


async def test_prompts_ask_for_faults_only_where_they_may(open_scenario):
    asks = WORDS | {"prompt": "a hill fault:failure fault:remove-background/cool-down*2 fault:nonsense"}
    async with open_scenario() as caller:
        assert (await caller.made("txt2img", asks))["status"] == "success"
    async with open_scenario(ScenarioConfig(faults_by_prompt=True)) as caller:
        first, second = await caller.made("txt2img", asks), await caller.made("txt2img", asks)
        cut = {"image": second["metadata"]["assetIds"][0]}
        statuses = [(await caller.post("/generate/remove-background", cut)).status_code for _ in range(3)]
        await caller.server.settled()
    assert [first["status"], second["status"]] == ["failure", "success"]
    assert statuses == [429, 429, 200], "the words follow the picture"


async def test_nobody_without_the_key_uses_up_a_fault(open_scenario):
    config = ScenarioConfig(api_key="key-of-a-test", secret="secret-of-a-test", faults=(Fault(Kind.ERROR, "jobs"),))
    async with open_scenario(config) as caller:
        assert (await caller.bare.get(f"{caller.server.url}/jobs")).status_code == 401
        assert (await caller.get("/jobs")).status_code == 503


def test_rules_come_from_a_file(tmp_path):
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "slow", "seconds": 2, "times": None}, {"kind": "error", "call": "job"}]))
    assert read_faults_file(path) == (Fault(Kind.SLOW, seconds=2, times=None), Fault(Kind.ERROR, "job"))


@pytest.mark.parametrize(
    ("text", "said"),
    (
        ("{", "cannot read"), ("{}", "no list"), ('["slow"]', "fault 1 has no kind"), ('[{"kind": "slw"}]', "fault 1"),
        ('[{"kind": "slow"}, {"kind": "slow", "second": 1}]', "fault 2 has no field 'second'"),
        ('[{"kind": "slow", "seconds": "2"}]', "seconds cannot be '2'"), ('[{"kind": "slow", "call": "jbo"}]', "jbo"),
        ('[{"kind": "slow", "times": 0}]', "less than nothing"), ('[{"kind": "slow", "refund": 1}]', "refund"),
        ('[{"kind": "slow", "times": 1.5}]', "times cannot be 1.5"), ('[{"kind": "slow", "seconds": null}]', "seconds"),
    ),
)  # fmt: skip
def test_a_rule_that_cannot_be_understood_is_refused(tmp_path, text, said):
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_faults_file(path)


def test_a_missing_file_of_rules_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot read faults"):
        read_faults_file(tmp_path / "none.json")


def test_the_page_about_it_names_every_fault_every_call_and_every_model():
    page = (Path(__file__).parents[4] / "docs" / "local-scenario.md").read_text(encoding="utf-8")
    wanted = {*Kind} | CALLS | {model.id for model in MODELS} | {field.name for field in fields(Fault)}
    assert [name for name in sorted(wanted) if f"`{name}`" not in page] == []
