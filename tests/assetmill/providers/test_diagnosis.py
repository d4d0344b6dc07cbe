"""Every way in which a queue can stand still has its own words, and only the hopeless ones end the wait."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.api import JobApi
from assetmill.providers.runpod.diagnosis import Cause, Doctor, Fleet, explain

SETTINGS = "/v2/serverless/ep"
WORKERS = "/v2/serverless/ep/workers"
EMPTY = JSONResponse({"workers": [], "summary": {"total": 0}})


def health(in_queue: int = 1, in_progress: int = 1, **workers: int) -> JSONResponse:
    jobs = {"inQueue": in_queue, "inProgress": in_progress, "completed": 3}
    return JSONResponse({"jobs": jobs, "workers": workers})


def listed(*workers: dict) -> JSONResponse:
    return JSONResponse({"workers": list(workers), "summary": {"total": len(workers)}})


@pytest.fixture
async def doctor(script, endpoint, time):
    async with httpx.AsyncClient() as client:
        yield Doctor(JobApi(client, script.url, "made-up-key", time.clock()), client, endpoint, time.clock())


@pytest.mark.parametrize(
    ("answer", "cause", "words", "fatal"),
    (
        (health(unhealthy=2), Cause.CRASH_LOOP, "the container crashes", False),
        (health(unhealthy=1, idle=2), Cause.CRASH_LOOP, "1 worker is unhealthy", False),
        (health(unhealthy=2, throttled=1), Cause.THROTTLED, "no capacity, and 2 workers are unhealthy", False),
        (health(unhealthy=1, initializing=1), Cause.COLD_START, "a cold start, and 1 worker is unhealthy", False),
        (health(unhealthy=1, idle=3, initializing=1), Cause.COLD_START, "and 1 worker is unhealthy", False),
        (health(throttled=2, idle=3), Cause.THROTTLED, "2 workers are throttled", False),
        (health(in_progress=0, running=1), Cause.COLD_START, "ComfyUI is starting", False),
        (health(in_progress=0, running=1, idle=2), Cause.COLD_START, "ComfyUI is starting", False),
        (health(in_progress=0, running=1, unhealthy=1), Cause.COLD_START, "and 1 worker is unhealthy", False),
        (JSONResponse({"workers": {"running": 1, "idle": 2}}), Cause.BUSY, "1 worker is busy", False),
        (health(in_progress=0, ready=3), Cause.NOT_TAKEN, "3 workers are free", False),
        (health(unhealthy=2, running=1), Cause.BUSY, "busy with other jobs", False),
        (health(throttled=2), Cause.THROTTLED, "no capacity", False),
        (health(), Cause.NO_WORKERS_YET, "no capacity, or max workers is 0", False),
        (health(idle=0, running=0), Cause.NO_WORKERS_YET, "no workers", False),
        (health(initializing=1, throttled=1), Cause.COLD_START, "cold start", False),
        (health(running=3), Cause.BUSY, "3 workers are busy", False),
        (health(running=3, idle=2), Cause.BUSY, "3 workers are busy", False),
        (health(running=1, idle=2), Cause.ONE_TAKES_ALL, "2 workers are idle", False),
        (health(ready=3), Cause.ONE_TAKES_ALL, "3 workers are idle", False),
        (health(0, running=1, idle=2), Cause.BUSY, "busy", False),
        (health(ready=1), Cause.NOT_TAKEN, "1 worker is free", False),
        (HTMLResponse("<html/>", 502), Cause.UNKNOWN, "cannot be read", False),
        (JSONResponse({"jobs": {}}), Cause.UNKNOWN, "cannot be read", False),
        (JSONResponse({"workers": "many"}), Cause.UNKNOWN, "cannot be read", False),
        (JSONResponse({"workers": {"running": "x", "throttled": -4, "idle": True}}), Cause.NO_WORKERS_YET, "no", False),
        (JSONResponse({}, 401), Cause.UNKNOWN, "cannot be read", False),
    ),
)
async def test_health_alone_gives_a_cause(script, doctor, answer, cause, words, fatal):
    script.say("health", answer)
    diagnosis = await doctor.diagnose()
    assert (diagnosis.cause, diagnosis.fatal) == (cause, fatal)
    assert words in diagnosis.message
    assert "queue" in diagnosis.message
    assert diagnosis.hint


async def test_a_crash_ends_the_wait_only_when_it_lasts(script, doctor, time):
    script.say("health", health(unhealthy=1))
    fatal = []
    for seconds in (0, 20, 29.9, 45):
        time.seconds = seconds
        fatal.append((await doctor.diagnose()).fatal)
    assert fatal == [False, False, False, True]


@pytest.mark.parametrize("better", (health(unhealthy=1, initializing=1), health(unhealthy=1, running=1), health()))
async def test_a_crash_that_was_over_in_between_counts_anew(script, doctor, time, better):
    script.say("health", health(unhealthy=1), better, health(unhealthy=1))
    told = []
    for seconds in (0, 20, 40, 60, 80):
        time.seconds = seconds
        told.append(await doctor.diagnose())
    assert [diagnosis.fatal for diagnosis in told] == [False, False, False, False, True]


async def test_max_workers_0_is_fatal_and_says_how_it_came_and_how_to_raise_it(script, doctor):
    script.say("health", health())
    script.say(WORKERS, EMPTY)
    script.say(SETTINGS, JSONResponse({"id": "ep", "workers": {"min": 0, "max": 0, "idleTimeout": 5}}))
    diagnosis = await doctor.diagnose()
    assert (diagnosis.cause, diagnosis.fatal) == (Cause.NO_WORKERS_ALLOWED, True)
    assert "7 days" in diagnosis.message
    assert "raise max workers" in diagnosis.hint


async def test_no_workers_where_some_are_allowed_is_a_lack_of_capacity(script, doctor):
    script.say("health", health())
    script.say(WORKERS, EMPTY)
    script.say(SETTINGS, JSONResponse({"workers": {"max": 3}}))
    diagnosis = await doctor.diagnose()
    assert (diagnosis.cause, diagnosis.fatal) == (Cause.NO_WORKERS_YET, False)
    assert "may have 3" in diagnosis.message


async def test_the_workers_list_is_believed_rather_than_health(script, doctor):
    script.say("health", health(throttled=2))
    script.say(WORKERS, listed({"id": "w1", "status": "UNHEALTHY"}, {"id": "w2", "status": "UNHEALTHY"}))
    assert (await doctor.diagnose()).cause is Cause.CRASH_LOOP


async def test_workers_of_an_old_release_say_nothing_of_the_new_one(script, doctor):
    script.say("health", health())
    script.say(
        WORKERS,
        listed(
            {"id": "w1", "status": "UNHEALTHY", "isStale": True}, {"id": "w2", "status": "RUNNING", "isStale": False}
        ),
    )
    assert (await doctor.diagnose()).cause is Cause.BUSY


async def test_throttled_workers_name_their_gpus(script, doctor):
    script.say("health", health())
    script.say(WORKERS, listed({"status": "THROTTLED", "gpuTypeId": "NVIDIA L4"}))
    assert "NVIDIA L4" in (await doctor.diagnose()).message


async def test_a_cold_start_says_how_long_it_takes_already(script, doctor):
    script.say("health", health())
    script.say(
        WORKERS,
        listed(
            {"status": "INITIALIZING", "uptimeSeconds": 250},
            {"status": "INITIALIZING", "uptimeSeconds": 10**400},
            {"status": "INITIALIZING", "uptimeSeconds": "x"},
        ),
    )
    message = (await doctor.diagnose()).message
    assert "3 workers are starting" in message
    assert " min" in message


async def test_without_the_workers_list_a_cold_start_is_timed_by_our_own_clock(script, doctor, time):
    script.say("health", health(initializing=1))
    assert "less than a minute" in (await doctor.diagnose()).message
    time.seconds += 130
    assert "2 min" in (await doctor.diagnose()).message
    script.say_now("health", health(running=1))
    time.seconds += 20
    await doctor.diagnose()
    script.say_now("health", health(initializing=1))
    time.seconds += 20
    assert "less than a minute" in (await doctor.diagnose()).message, "another start counts anew"


async def test_a_thousand_waiting_jobs_ask_once_in_15_seconds(script, doctor, time):
    script.say("health", health(running=1))
    await asyncio.gather(*(doctor.diagnose() for _ in range(1000)))
    assert (script.calls("health"), script.calls(WORKERS), script.calls(SETTINGS)) == (1, 1, 1)
    time.seconds += 14.9
    await doctor.diagnose()
    assert script.calls("health") == 1
    time.seconds += 0.2
    await doctor.diagnose()
    assert script.calls("health") == 2


async def test_one_who_gives_up_does_not_leave_the_others_without_an_answer(script, doctor):
    script.say("health", health(running=1))
    first, second = asyncio.create_task(doctor.diagnose()), asyncio.create_task(doctor.diagnose())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).cause is Cause.BUSY


async def test_the_key_goes_to_the_management_address_of_the_endpoint_and_follows_nobody_elsewhere(script, doctor):
    script.say("health", health(running=1))
    script.say(SETTINGS, RedirectResponse("/elsewhere"))
    await doctor.diagnose()
    sent = [(path, headers.get("authorization")) for _, path, _, headers in script.seen]
    assert sorted(sent) == [
        (SETTINGS, "Bearer made-up-key"),
        (WORKERS, "Bearer made-up-key"),
        ("health", "Bearer made-up-key"),
    ]


async def test_an_endpoint_without_a_management_address_is_diagnosed_from_its_health(script, time):
    script.say("health", health(throttled=1))
    bare = Endpoint("ep", "runpod", script.url, SecretStr("k"), "flux", 3, None, "")
    async with httpx.AsyncClient() as client:
        doctor = Doctor(JobApi(client, script.url, "k", time.clock()), client, bare, time.clock())
        assert (await doctor.diagnose()).cause is Cause.THROTTLED
    assert [path for _, path, _, _ in script.seen] == ["health"]


def test_every_cause_has_words_and_only_two_are_fatal():
    fleets = [
        None,
        Fleet({}, max_workers=0),
        Fleet({}),
        Fleet({}, max_workers=2),
        *(Fleet({status: 1}) for status in ("unhealthy", "initializing", "throttled", "running", "idle")),
        Fleet({"unhealthy": 1}, crashing_s=30.0),
        Fleet({"idle": 2}, in_progress=1),
    ]
    told = [explain(fleet) for fleet in fleets]
    assert {diagnosis.cause for diagnosis in told} == set(Cause)
    assert {diagnosis.cause for diagnosis in told if diagnosis.fatal} == {Cause.CRASH_LOOP, Cause.NO_WORKERS_ALLOWED}
