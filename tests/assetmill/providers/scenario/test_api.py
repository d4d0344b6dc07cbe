"""Every answer of Scenario's API becomes a value or the error that says what a caller may do."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from assetmill.errors import NotDelivered, OutcomeUnknown, ProviderRefused, RequestRejected, RequestTooLarge, Throttled
from assetmill.providers.base import JobState
from assetmill.providers.scenario.answers import STATES, read_job
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError
from assetmill.providers.scenario.refusals import CeilingReachedError

NAME, SECRET = "made-up-name", "made-up-secret"
BASIC = base64.b64encode(f"{NAME}:{SECRET}".encode()).decode()
BODY = {"modelId": "flux.1-dev", "prompt": "x", "seed": "1"}
ACCEPTED = {"job": {"jobId": "job_1", "status": "queued"}, "creativeUnitsCost": 5}


@pytest.fixture
async def scenario(script, time) -> AsyncIterator[ScenarioApi]:
    async with httpx.AsyncClient() as client:
        yield ScenarioApi(client, script.url, NAME, SECRET, "proj_1", time.clock())


async def test_a_call_carries_basic_keys_and_the_project_and_brings_job_and_units(script, scenario):
    script.say("generate/txt2img", JSONResponse(ACCEPTED))
    started = await scenario.start("txt2img", BODY)
    assert (started.job_id, started.units) == ("job_1", 5.0)
    _, _, body, headers = script.seen[0]
    assert headers["authorization"] == f"Basic {BASIC}"
    assert json.loads(body) == BODY


async def test_a_custom_model_stands_in_the_address_and_not_in_the_body(script, scenario):
    script.say("generate/custom/model_x", JSONResponse(ACCEPTED))
    await scenario.start("custom", {**BODY, "modelId": "model_x"})
    assert "modelId" not in json.loads(script.seen[0][2])


REFUSALS = (
    (400, {"reason": "width must be a multiple of 8", "infos": {"width": 7}, "trace_id": "t1"}, RequestRejected),
    (400, {"message": "bad"}, RequestRejected),
    (400, {"error": {"message": "bad"}}, RequestRejected),
    (400, {"reason": "Not enough creative units"}, ProviderRefused),
    (401, {"reason": "Unauthorized"}, ProviderRefused),
    (402, {"reason": "Payment required"}, ProviderRefused),
    (403, {"reason": "Your plan does not include this model"}, RequestRejected),
    (403, {"reason": "Forbidden"}, ProviderRefused),
    (404, {"reason": "Model not found"}, RequestRejected),
    (413, {"message": "Request Too Long"}, RequestTooLarge),
    (429, {"reason": "Too many requests", "remainingSeconds": 12}, Throttled),
    (429, {"reason": "x", "apiInfo": {"actionName": "parallel-inferences", "actionLimit": 3}}, CeilingReachedError),
    (429, {"actionName": "parallel-inferences", "actionLimit": "many"}, CeilingReachedError),
    (500, {"reason": "oops"}, OutcomeUnknown),
    (502, "<html>bad gateway</html>", OutcomeUnknown),
    (408, {"reason": "timeout"}, OutcomeUnknown),
    (200, {"job": {}}, OutcomeUnknown),
    (200, "<html>fine</html>", OutcomeUnknown),
)


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS)
async def test_the_answer_to_a_paid_call_has_one_meaning(script, scenario, status, body, error):
    answer = Response(body, status) if isinstance(body, str) else JSONResponse(body, status)
    script.say("generate/txt2img", answer)
    with pytest.raises(error) as caught:
        await scenario.start("txt2img", BODY)
    assert type(caught.value) is error


async def test_what_a_refusal_says_is_passed_on(script, scenario):
    script.say("generate/txt2img", JSONResponse(REFUSALS[0][1], 400))
    with pytest.raises(RequestRejected, match=r"width must be a multiple of 8.*trace t1"):
        await scenario.start("txt2img", BODY)


async def test_a_429_says_how_many_or_for_how_long(script, scenario):
    script.say("generate/txt2img", JSONResponse({"actionName": "parallel-x", "actionLimit": 3}, 429))
    script.say("generate/txt2img", JSONResponse({"error": {"remainingSeconds": 12.5}}, 429))
    script.say("generate/txt2img", JSONResponse({"reason": "slow down"}, 429, {"retry-after": "7"}))
    with pytest.raises(CeilingReachedError) as ceiling:
        await scenario.start("txt2img", BODY)
    assert ceiling.value.limit == 3
    for seconds in (12.5, 7.0):
        with pytest.raises(Throttled) as caught:
            await scenario.start("txt2img", BODY)
        assert caught.value.retry_after_s == seconds


async def test_no_connection_means_that_nothing_was_accepted(time):
    async with httpx.AsyncClient() as client:
        api = ScenarioApi(client, "http://127.0.0.1:9/v1", NAME, SECRET, None, time.clock())
        with pytest.raises(NotDelivered):
            await api.start("txt2img", BODY)


async def test_a_dry_run_is_asked_for_as_such_and_answers_with_units(script, scenario):
    asked = []

    def answer(_: bytes) -> Response:
        asked.append(script.seen[-1])
        return JSONResponse({"creativeUnitsCost": 5}, 269)

    script.say("generate/txt2img", answer)
    assert await scenario.dry_run("txt2img", BODY) == 5.0
    script.say_now("generate/txt2img", JSONResponse({"reason": "oops"}, 503))
    with pytest.raises(NotDelivered):
        await scenario.dry_run("txt2img", BODY)


@pytest.mark.parametrize("words", (NAME, SECRET, BASIC, "https://cdn.example/a.png?sig=abc", "A" * 500))
async def test_no_error_repeats_a_key_an_address_or_data(script, scenario, words):
    for status in (400, 403, 500):
        script.say_now("generate/txt2img", JSONResponse({"reason": f"seen {words} here"}, status))
        with pytest.raises((RequestRejected, ProviderRefused, OutcomeUnknown)) as caught:
            await scenario.start("txt2img", BODY)
        assert words not in str(caught.value)


async def test_a_refusal_of_a_question_is_believed_the_second_time(script, scenario):
    fine = JSONResponse({"job": {"jobId": "job_1", "status": "success"}})
    script.say("jobs/job_1", JSONResponse({"reason": "no"}, 401), fine)
    assert (await scenario.job("job_1")).state is JobState.COMPLETED
    script.say_now("jobs/job_1", JSONResponse({"reason": "no"}, 401))
    with pytest.raises(ProviderRefused):
        await scenario.job("job_1")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    (
        (404, {"reason": "no such job"}, UnknownHereError),
        (500, {"reason": "oops"}, NotDelivered),
        (200, "<html>", NotDelivered),
        (200, {"job": {"jobId": "job_2", "status": "success"}}, NotDelivered),
        (429, {"remainingSeconds": 3}, Throttled),
        (429, {"actionName": "parallel-x", "actionLimit": 3}, Throttled),
        (404, "<html>", RequestRejected),
    ),
)
async def test_a_question_that_has_no_usable_answer_may_be_asked_again(script, scenario, status, body, error):
    answer = Response(body, status) if isinstance(body, str) else JSONResponse(body, status)
    script.say("jobs/job_1", answer)
    with pytest.raises(error):
        await scenario.job("job_1")


@pytest.mark.parametrize(("status", "state"), (*STATES.items(), ("something-new", JobState.RUNNING)))
def test_every_documented_status_is_understood(status, state):
    job = read_job({"jobId": "job_1", "status": status})
    assert job is not None
    assert job.state is state


def test_failures_are_called_failure_and_canceled():
    assert STATES["failure"] is JobState.FAILED
    assert STATES["canceled"] is JobState.CANCELLED


def test_times_are_those_between_the_statuses():
    history = [
        {"status": "queued", "date": "2026-01-22T10:00:00.000Z"},
        {"status": "in-progress", "date": "2026-01-22T10:00:02.500Z"},
        {"status": "success", "date": "2026-01-22T10:00:12.500Z"},
    ]
    created = "2026-01-22T10:00:00.000Z"
    job = read_job({"jobId": "j", "status": "success", "createdAt": created, "statusHistory": history})
    assert job is not None
    assert (job.queue_ms, job.execution_ms) == (2500, 10_000)


@pytest.mark.parametrize(
    ("status", "billing", "units"),
    (
        ("success", {"cuCost": 5, "cuDiscount": 0}, 5.0),
        ("success", {}, None),
        ("failure", {"cuCost": 5}, 0.0),
        ("failure", {"cuCost": 5, "disableRefund": True}, 5.0),
        ("canceled", {"cuCost": 5}, 0.0),
        ("success", {"cuCost": "five"}, None),
    ),
)
def test_what_failed_is_refunded_and_what_nobody_says_is_unknown(status, billing, units):
    job = read_job({"jobId": "j", "status": status, "billing": billing})
    assert job is not None
    assert job.units == units


@pytest.mark.parametrize("value", (None, [], "job", {}, {"jobId": 7}, {"jobId": "../x"}, {"jobId": "a b"}))
def test_what_is_no_job_is_none(value):
    assert read_job(value) is None


@pytest.mark.parametrize(
    "odd",
    (
        {"jobId": "j", "status": 7, "metadata": [], "billing": "no", "statusHistory": {"a": 1}, "createdAt": 5},
        {"jobId": "j", "statusHistory": [None, {"status": None, "date": "x"}], "metadata": {"assetIds": [1, None]}},
    ),
)
def test_odd_fields_become_nothing(odd):
    job = read_job(odd)
    assert job is not None
    assert (job.state, job.assets, job.units, job.created_at) == (JobState.RUNNING, (), None, None)
