"""What an endpoint says of its workers is read without trust: what is told counts, what is not is not known."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from assetmill.providers.base import EndpointFacts, WorkerSeen
from assetmill.providers.runpod.answers import MAX_ID_CHARS

SETTINGS, WORKERS = "/v2/serverless/ep", "/v2/serverless/ep/workers"
T0 = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = EndpointFacts()


async def test_an_endpoint_says_its_idle_timeout_its_pools_and_how_many_workers_it_may_have(script, provider):
    told = {
        "workers": {"min": 0, "max": 4, "idleTimeout": 10},
        "gpu": {"pools": ["ADA_24", "AMPERE_48"], "count": 2, "excludedTypes": []},
    }
    script.say(SETTINGS, JSONResponse(told))
    assert await provider.facts() == EndpointFacts(10.0, ("ADA_24", "AMPERE_48"), 2, 4)
    assert script.seen[-1][3]["authorization"] == "Bearer made-up-key"


@pytest.mark.parametrize(
    "answer",
    (
        JSONResponse({"detail": "no"}, 403),
        PlainTextResponse("no json"),
        JSONResponse([]),
        JSONResponse({"workers": None, "gpu": "ADA_24"}),
        JSONResponse({"workers": {"idleTimeout": "5", "max": True}, "gpu": {"pools": [7, None], "count": 0}}),
        JSONResponse({"workers": {"idleTimeout": -5, "max": -1}, "gpu": {"pools": {}, "count": 1.5}}),
    ),
)
async def test_settings_that_make_no_sense_are_not_known(script, provider, answer):
    script.say(SETTINGS, answer)
    assert await provider.facts() == NOTHING


def line(**changes: Any) -> dict[str, Any]:
    return {"id": "w1", "status": "RUNNING", "gpuTypeId": "NVIDIA L4", "uptimeSeconds": 60, "isStale": False} | changes


async def test_an_uptime_of_whole_seconds_leaves_a_second_open(script, provider):
    script.say(WORKERS, JSONResponse({"workers": [line()]}))
    since, until = T0 - timedelta(seconds=61), T0 - timedelta(seconds=60)
    assert await provider.workers() == (WorkerSeen("w1", "NVIDIA L4", since, until, ready=True),)


async def test_workers_without_capacity_are_not_told_and_one_that_fetches_its_image_has_no_start(script, provider):
    lines = [
        line(id="fetching", status="INITIALIZING", uptimeSeconds=0),
        line(id="starting", status="INITIALIZING", uptimeSeconds=4),
        line(id="no capacity", status="THROTTLED"),
        line(id="idle", status="IDLE", uptimeSeconds=None, gpuTypeId=None),
        line(id="of an old release", isStale=True),
        line(id=""), line(id=7), "w9", None,
    ]  # fmt: skip
    script.say(WORKERS, JSONResponse({"workers": lines}))
    told = await provider.workers()
    assert [one.id for one in told] == ["fetching", "starting", "idle", "of an old release"]
    assert [one.ready for one in told] == [False, False, True, True]
    assert told[0] == WorkerSeen("fetching", "NVIDIA L4")
    assert told[1].until == T0 - timedelta(seconds=4)
    assert told[2] == WorkerSeen("idle", ready=True)


@pytest.mark.parametrize("uptime", ("60", True, -1, 1e12, [], math.inf))
async def test_an_uptime_that_cannot_be_is_none(script, provider, uptime):
    text = '{"workers": [{"id": "w1", "status": "RUNNING", "uptimeSeconds": %s}]}'
    words = "1e999" if uptime == math.inf else str(JSONResponse(uptime).body, "utf-8")
    script.say(WORKERS, PlainTextResponse(text % words, media_type="application/json"))
    [worker] = await provider.workers()
    assert (worker.since, worker.until) == (None, None)


async def test_a_name_of_many_lines_becomes_one_and_is_cut_off(script, provider):
    script.say(WORKERS, JSONResponse({"workers": [line(id="w\n1 " + "x y " * 100, gpuTypeId="a\tb")]}))
    [worker] = await provider.workers()
    assert worker.id.startswith("w 1 x y ")
    assert len(worker.id) == MAX_ID_CHARS
    assert worker.gpu == "a b"


@pytest.mark.parametrize("answer", (JSONResponse({}, 500), JSONResponse({"workers": "none"}), PlainTextResponse("{}")))
async def test_a_listing_that_cannot_be_read_tells_of_nobody(script, provider, answer):
    script.say(WORKERS, answer)
    assert await provider.workers() == ()
