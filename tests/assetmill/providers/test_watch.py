"""Watching survives what endpoints do on ordinary days, and gives up where hope has gone."""

from __future__ import annotations

import pytest
from starlette.responses import HTMLResponse, JSONResponse

from assetmill.errors import NotDelivered, ProviderRefused, QueueStalled, ResultLost
from assetmill.providers.base import JobState
from assetmill.providers.runpod.limits import RateLimits, TokenBucket
from assetmill.providers.runpod.provider import stall_reason
from assetmill.providers.runpod.watch import Watcher

DONE = JSONResponse({"id": "j1", "status": "COMPLETED", "delayTime": 5, "executionTime": 9, "output": {"images": []}})
QUEUED = JSONResponse({"id": "j1", "status": "IN_QUEUE"})
RUNNING = JSONResponse({"id": "j1", "status": "IN_PROGRESS"})
GONE = JSONResponse({"error": "not found"}, 404)


async def because() -> str:
    return "the container crashes"


def watcher(api, time, *, stall_s=900.0, long_poll=True) -> Watcher:
    return Watcher(api, time.clock(), stall_s, because, long_poll)


async def test_long_poll_is_used_where_it_answers(script, api, time):
    script.say("status-sync/j1", DONE)
    job = await watcher(api, time).watch("j1")
    assert (job.state, job.delay_ms, job.execution_ms) == (JobState.COMPLETED, 5, 9)
    assert script.calls("status/j1") == 0


async def test_an_endpoint_without_long_poll_is_polled_with_growing_pauses(script, api, time):
    script.say("status/j1", QUEUED, QUEUED, RUNNING, DONE)
    watching = watcher(api, time)
    assert (await watching.watch("j1")).state is JobState.COMPLETED
    assert script.calls("status-sync/j1") == 1, "asked once, then never again"
    assert time.slept == sorted(time.slept)
    assert watching.long_poll is False


async def test_a_long_poll_that_does_not_hold_is_not_hammered(script, api, time):
    script.say("status-sync/j1", RUNNING, RUNNING)
    script.say("status/j1", RUNNING, DONE)
    await watcher(api, time).watch("j1")
    assert script.calls("status-sync/j1") == 1
    assert len(time.slept) >= 2


async def test_404_just_after_submission_is_borne(script, api, time):
    script.say("status/j1", GONE, GONE, QUEUED, DONE)
    job = await watcher(api, time, long_poll=False).watch("j1")
    assert job.state is JobState.COMPLETED


async def test_404_for_good_means_lost(script, api, time):
    script.say("status/j1", GONE)
    with pytest.raises(ResultLost) as caught:
        await watcher(api, time, long_poll=False).watch("j1")
    assert caught.value.job_id == "j1"
    assert time.seconds > 60


async def test_error_pages_and_throttling_between_answers_do_not_matter(script, api, time):
    script.say("status/j1", HTMLResponse("<html/>", 502), JSONResponse({}, 429), HTMLResponse("<html/>"))
    script.say("status/j1", JSONResponse({"id": "j1"}), JSONResponse({"status": "NEVER_HEARD_OF", "extra": {}}), DONE)
    assert (await watcher(api, time, long_poll=False).watch("j1")).state is JobState.COMPLETED


async def test_an_endpoint_that_stays_away_leaves_the_job_open(script, api, time):
    script.say("status/j1", HTMLResponse("<html/>", 503))
    with pytest.raises(NotDelivered) as caught:
        await watcher(api, time, long_poll=False).watch("j1")
    assert caught.value.job_id == "j1"
    assert time.seconds > 600


async def test_a_refused_key_ends_the_watch_at_once(script, api, time):
    script.say("status/j1", JSONResponse({}, 401))
    with pytest.raises(ProviderRefused):
        await watcher(api, time, long_poll=False).watch("j1")
    assert time.slept == []


async def test_a_job_that_nobody_takes_is_stalled_and_says_why(script, api, time):
    script.say("status/j1", QUEUED)
    with pytest.raises(QueueStalled, match="crashes"):
        await watcher(api, time, stall_s=30, long_poll=False).watch("j1")


async def test_a_long_run_is_not_a_stall(script, api, time):
    script.say("status/j1", *[RUNNING] * 40, DONE)
    job = await watcher(api, time, stall_s=30, long_poll=False).watch("j1")
    assert job.state is JobState.COMPLETED
    assert time.seconds > 100


async def test_every_answer_is_shown_to_the_observer(script, api, time):
    script.say("status/j1", QUEUED, RUNNING, DONE)
    seen = []
    await watcher(api, time, long_poll=False).watch("j1", lambda job: seen.append(job.state))
    assert seen == [JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]


@pytest.mark.parametrize(
    ("workers", "words"),
    (
        ({"unhealthy": 1, "throttled": 2}, "crashes"),
        ({}, "no workers"),
        ({"idle": 0, "running": 0}, "no workers"),
        ({"throttled": 2}, "widen the GPU pools"),
        ({"initializing": 1}, "cold start"),
        ({"running": 3}, "busy"),
    ),
)
def test_worker_counts_become_advice(workers, words):
    assert words in stall_reason(workers)


def test_a_bucket_lets_bursts_pass_and_then_keeps_the_rate(time):
    bucket = TokenBucket(rate=2.0, burst=3.0, clock=time.clock())
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    time.seconds += 10
    assert [bucket.take() for _ in range(3)] == [0, 0, 0]


async def test_submissions_stay_at_80_percent_of_the_documented_rate(time):
    limits = RateLimits(time.clock())
    for _ in range(1600):
        await limits.wait("run")
    assert time.seconds == pytest.approx(19.0, rel=0.01), "a burst of 80, then 80 a second: never above 880 in 10 s"
