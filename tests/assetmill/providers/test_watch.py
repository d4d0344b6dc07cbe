"""Watching survives what endpoints do on ordinary days, and gives up where hope has gone."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import HTMLResponse, JSONResponse

from assetmill.errors import NotDelivered, ProviderRefused, QueueStalled, ResultExpired, Throttled, TimedOut
from assetmill.providers.base import JobState
from assetmill.providers.runpod.diagnosis import Cause, Diagnosis
from assetmill.providers.runpod.limits import RateLimits, TokenBucket
from assetmill.providers.runpod.watch import Patience, Watcher

DONE = JSONResponse({"id": "j1", "status": "COMPLETED", "delayTime": 5, "executionTime": 9, "output": {"images": []}})
QUEUED = JSONResponse({"id": "j1", "status": "IN_QUEUE"})
RUNNING = JSONResponse({"id": "j1", "status": "IN_PROGRESS"})
GONE = JSONResponse({"error": "not found"}, 404)


BUSY = Diagnosis(Cause.BUSY, "waits: all are busy", "wait a little")
CRASHING = Diagnosis(Cause.CRASH_LOOP, "waits: the container crashes", "mend the image", fatal=True)


@pytest.fixture
def watcher(api, time):
    def make(*diagnoses: Diagnosis, stall_s=900.0, long_poll=False, execution_timeout_s=600.0, notice=None) -> Watcher:
        told = list(diagnoses) or [BUSY]

        async def diagnose() -> Diagnosis:
            return told.pop(0) if len(told) > 1 else told[0]

        clock = time.clock()
        return Watcher(api, clock, diagnose, api.cancel, stall_s, execution_timeout_s, notice, long_poll)

    return make


async def test_long_poll_is_used_where_it_answers(script, watcher):
    script.say("status-sync/j1", DONE)
    job = await watcher(long_poll=True).watch("j1")
    assert (job.state, job.delay_ms, job.execution_ms) == (JobState.COMPLETED, 5, 9)
    assert script.calls("status/j1") == 0


async def test_an_endpoint_without_long_poll_is_polled_with_growing_pauses(script, watcher, time):
    script.say("status/j1", QUEUED, QUEUED, RUNNING, DONE)
    watching = watcher(long_poll=True)
    assert (await watching.watch("j1")).state is JobState.COMPLETED
    assert script.calls("status-sync/j1") == 1, "asked once, then never again"
    assert time.slept == sorted(time.slept)
    assert watching.long_poll is False


async def test_a_long_poll_that_does_not_hold_is_not_hammered(script, watcher, time):
    script.say("status-sync/j1", RUNNING, RUNNING)
    script.say("status/j1", RUNNING, DONE)
    await watcher(long_poll=True).watch("j1")
    assert script.calls("status-sync/j1") == 1
    assert len(time.slept) >= 2


async def test_404_just_after_submission_is_borne(script, watcher):
    script.say("status/j1", GONE, GONE, QUEUED, DONE)
    job = await watcher().watch("j1")
    assert job.state is JobState.COMPLETED


async def test_404_for_good_means_lost(script, watcher, time):
    script.say("status/j1", GONE)
    with pytest.raises(ResultExpired) as caught:
        await watcher().watch("j1")
    assert caught.value.job_id == "j1"
    assert time.seconds > 60


async def test_error_pages_and_throttling_between_answers_do_not_matter(script, watcher):
    script.say("status/j1", HTMLResponse("<html/>", 502), JSONResponse({}, 429), HTMLResponse("<html/>"))
    script.say("status/j1", JSONResponse({"id": "j1"}), JSONResponse({"status": "NEVER_HEARD_OF", "extra": {}}), DONE)
    assert (await watcher().watch("j1")).state is JobState.COMPLETED


async def test_an_endpoint_that_stays_away_leaves_the_job_open(script, watcher, time):
    script.say("status/j1", HTMLResponse("<html/>", 503))
    with pytest.raises(NotDelivered) as caught:
        await watcher().watch("j1")
    assert caught.value.job_id == "j1"
    assert time.seconds > 600


async def test_a_key_refused_twice_ends_the_watch(script, watcher, time):
    script.say("status/j1", JSONResponse({}, 401))
    with pytest.raises(ProviderRefused):
        await watcher().watch("j1")
    assert script.calls("status/j1") == 2
    assert time.seconds < 2


async def test_a_job_that_nobody_takes_is_stalled_and_says_why_and_what_to_do(script, watcher, time):
    script.say("status/j1", QUEUED)
    with pytest.raises(QueueStalled, match="all are busy") as caught:
        await watcher(stall_s=300).watch("j1")
    assert caught.value.hint == "wait a little"
    assert caught.value.job_id == "j1"
    assert 300 < time.seconds < 310


async def test_a_hopeless_queue_ends_the_wait_after_a_minute(script, watcher, time):
    script.say("status/j1", QUEUED)
    with pytest.raises(QueueStalled, match="crashes") as caught:
        await watcher(BUSY, CRASHING).watch("j1")
    assert caught.value.hint == "mend the image"
    assert caught.value.cause == CRASHING.cause
    assert 60 < time.seconds < 80


async def test_a_short_patience_asks_no_later_than_it_ends(script, watcher, time):
    script.say("status/j1", QUEUED)
    with pytest.raises(QueueStalled):
        await watcher(stall_s=10).watch("j1")
    assert time.seconds < 20


async def test_what_holds_jobs_up_is_told_once_for_each_change_of_words(script, watcher):
    script.say("status/j1", *[QUEUED] * 40, RUNNING, DONE)
    script.say("status/j2", *[QUEUED] * 40, DONE)
    cold = Diagnosis(Cause.COLD_START, "waits: a cold start", "patience")
    told = []
    watching = watcher(BUSY, BUSY, cold, cold, BUSY, notice=told.append)
    await watching.watch("j1")
    await watching.watch("j2")
    assert told == [
        "waits: all are busy (wait a little)",
        "waits: a cold start (patience)",
        "waits: all are busy (wait a little)",
    ]


async def test_a_job_of_an_earlier_run_has_waited_since_it_was_submitted(script, watcher, time):
    script.say("status/j1", QUEUED)
    with pytest.raises(QueueStalled):
        await watcher(stall_s=300).watch("j1", age_s=400)
    assert time.seconds < 5


async def test_404_of_an_old_job_means_expired_once_it_has_lasted(script, watcher, time):
    script.say("status/j1", GONE)
    with pytest.raises(ResultExpired):
        await watcher().watch("j1", age_s=61)
    assert script.calls("status/j1") >= 3
    assert 15 <= time.seconds < 25


def test_three_404s_are_believed_only_if_they_lie_15_s_apart_and_nothing_else_came_between(time):
    def gone(*moments: float, other: float = -1.0) -> bool:
        patience = Patience(time.clock(), 900.0, 600.0, 1000.0)
        for moment in sorted({*moments, other} - {-1.0}):
            time.seconds = moment
            try:
                if moment == other:
                    patience.unreachable(NotDelivered("a page"), "j1")
                else:
                    patience.missing("j1")
            except ResultExpired:
                return True
        return False

    assert gone(0, 5, 15)
    assert not gone(0, 15), "two are not three"
    assert not gone(0, 1, 2, 14.9)
    assert not gone(0, 5, 15, other=10)
    assert gone(0, 5, 15, 20, 30, other=10)


@pytest.mark.parametrize("other", (QUEUED, HTMLResponse("<html/>", 502), JSONResponse({}, 429)))
async def test_404s_of_an_old_job_with_other_answers_between_are_borne(script, watcher, other):
    script.say("status/j1", *[GONE, GONE, GONE, other] * 6, DONE)
    assert (await watcher().watch("j1", age_s=600)).state is JobState.COMPLETED


@pytest.mark.parametrize("code", (401, 403, 404))
async def test_a_page_of_a_gateway_neither_ends_the_run_nor_loses_the_job(script, watcher, code):
    script.say("status/j1", *[HTMLResponse("<html/>", code)] * 12, DONE)
    assert (await watcher().watch("j1", age_s=600)).state is JobState.COMPLETED


async def test_a_refusal_that_does_not_come_twice_is_borne(script, watcher):
    script.say("status/j1", *[JSONResponse({}, 403), QUEUED] * 3, DONE)
    assert (await watcher().watch("j1")).state is JobState.COMPLETED


@pytest.mark.parametrize(
    "answer",
    (
        JSONResponse({"error": "bad"}, 400),
        JSONResponse({}, 401),
        JSONResponse({}, 403),
        HTMLResponse("<html/>", 403),
        HTMLResponse("<html/>", 404),
        JSONResponse({}, 405),
        JSONResponse({}, 410),
        HTMLResponse("<html/>", 504),
        HTMLResponse("<html/>"),
    ),
)
async def test_a_long_poll_without_a_usable_answer_is_given_up_and_costs_nothing(script, watcher, time, answer):
    script.say("status-sync/j1", answer)
    script.say("status/j1", QUEUED, RUNNING, RUNNING, DONE)
    watching = watcher(long_poll=True)
    assert (await watching.watch("j1")).state is JobState.COMPLETED
    assert (script.calls("status-sync/j1"), script.calls("status/j1")) == (2, 4)
    assert watching.long_poll is False
    assert time.seconds < 5


async def test_an_outage_of_everything_says_nothing_against_the_long_poll(script, watcher):
    page = HTMLResponse("<html/>", 502)
    script.say("status-sync/j1", page, page, page, DONE)
    script.say("status/j1", page)
    watching = watcher(long_poll=True)
    assert (await watching.watch("j1")).state is JobState.COMPLETED
    assert watching.long_poll is True


@pytest.mark.parametrize(("header", "least", "most"), (("20", 20, 21), ("0", 0.8, 1.2), ("7200", 60, 61)))
async def test_polling_waits_as_long_as_a_429_asks_up_to_a_minute(script, watcher, time, header, least, most):
    script.say("status/j1", JSONResponse({}, 429, headers={"Retry-After": header}), QUEUED, DONE)
    await watcher().watch("j1")
    assert least <= time.slept[0] <= most
    assert time.slept[1] < 2, "it is waited for once"


async def test_a_job_that_goes_back_to_the_queue_waits_anew(script, watcher):
    script.say("status/j1", *[RUNNING] * 30, QUEUED, QUEUED, DONE)
    job = await watcher(stall_s=60).watch("j1")
    assert job.state is JobState.COMPLETED


async def test_a_job_that_stays_in_progress_is_cancelled_past_its_timeout(script, watcher, time):
    """A progress report that came late has buried its result: it would be watched for ever."""
    script.say("status/j1", RUNNING)
    script.say("cancel/j1", JSONResponse({"id": "j1", "status": "CANCELLED"}))
    with pytest.raises(TimedOut, match="still in progress 160 s") as caught:
        await watcher(execution_timeout_s=100).watch("j1")
    assert caught.value.job_id == "j1"
    assert script.calls("cancel/j1") == 1
    assert 160 < time.seconds < 170


async def test_a_job_that_ended_as_it_was_cancelled_is_collected(script, watcher):
    script.say("status/j1", RUNNING)

    def cancelled(_: bytes) -> JSONResponse:
        script.say_now("status/j1", DONE)
        return JSONResponse({"id": "j1", "status": "CANCELLED"})

    script.say("cancel/j1", cancelled)
    seen = []
    job = await watcher(execution_timeout_s=100).watch("j1", lambda job: seen.append(job.state))
    assert job.state is JobState.COMPLETED
    assert seen[-1] is JobState.COMPLETED


async def test_a_job_that_cannot_be_cancelled_stays_open(script, watcher):
    script.say("status/j1", RUNNING)
    script.say("cancel/j1", HTMLResponse("<html/>", 502))
    with pytest.raises(NotDelivered):
        await watcher(execution_timeout_s=100).watch("j1")


async def test_a_status_that_nobody_knows_is_waited_for(script, watcher, time):
    script.say("status/j1", *[JSONResponse({"status": "NEVER_HEARD_OF"})] * 60, DONE)
    assert (await watcher(execution_timeout_s=10).watch("j1")).state is JobState.COMPLETED
    assert time.seconds > 200


async def test_nothing_is_asked_after_the_first_ending(script, watcher):
    script.say("status/j1", DONE, RUNNING)
    assert (await watcher().watch("j1")).state is JobState.COMPLETED
    assert script.calls("status/j1") == 1


async def test_a_look_says_what_an_answer_means(script, provider):
    script.say("status/j1", RUNNING)
    assert (await provider.look("j1", age_s=5.0)).state is JobState.RUNNING
    with pytest.raises(NotDelivered, match="not visible yet"):
        await provider.look("j2", age_s=60.0)
    with pytest.raises(ResultExpired) as caught:
        await provider.look("j2", age_s=61.0)
    assert caught.value.job_id == "j2"
    script.say("status/j3", JSONResponse({}, 429, headers={"Retry-After": "3"}), HTMLResponse("<html/>", 502))
    with pytest.raises(Throttled):
        await provider.look("j3", age_s=5.0)
    with pytest.raises(NotDelivered):
        await provider.look("j3", age_s=5.0)
    assert script.calls("status/j1") == 1


async def test_a_look_believes_a_404_only_when_it_came_three_times(script, provider, time):
    script.say("status/j1", GONE, GONE, DONE)
    assert (await provider.look("j1", age_s=600.0)).state is JobState.COMPLETED
    script.say("status/j2", GONE)
    began = time.seconds
    with pytest.raises(ResultExpired):
        await provider.look("j2", age_s=600.0)
    assert script.calls("status/j2") == 3
    assert 2 <= time.seconds - began < 5


@pytest.mark.parametrize("code", (401, 403, 404))
async def test_a_look_does_not_take_a_page_of_a_gateway_for_an_answer(script, provider, code):
    script.say("status/j1", HTMLResponse("<html/>", code))
    with pytest.raises(NotDelivered):
        await provider.look("j1", age_s=600.0)


async def test_a_stalled_queue_is_diagnosed_from_end_to_end(script, provider, time):
    script.say("status/j1", QUEUED)
    script.say("health", JSONResponse({"jobs": {"inQueue": 1}, "workers": {"unhealthy": 2}}))
    with pytest.raises(QueueStalled, match="the container crashes") as caught:
        await provider.wait("j1")
    assert "log" in caught.value.hint
    assert 90 < time.seconds < 120, "a crash must last before it ends the wait"


async def test_a_long_run_is_not_a_stall(script, watcher, time):
    script.say("status/j1", *[RUNNING] * 40, DONE)
    job = await watcher(stall_s=30).watch("j1")
    assert job.state is JobState.COMPLETED
    assert time.seconds > 100


async def test_every_answer_is_shown_to_the_observer(script, watcher):
    script.say("status/j1", QUEUED, RUNNING, DONE)
    seen = []
    await watcher().watch("j1", lambda job: seen.append(job.state))
    assert seen == [JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]


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


async def test_calls_under_way_stay_below_the_documented_number(time):
    limits, inside, leave = RateLimits(time.clock()), [], asyncio.Event()

    async def call(number: int) -> None:
        async with limits.admitted("cancel"):
            inside.append(number)
            await leave.wait()

    calls = [asyncio.create_task(call(number)) for number in range(60)]
    for _ in range(500):
        await asyncio.sleep(0)
    assert len(inside) == 16
    leave.set()
    await asyncio.gather(*calls)
    assert len(inside) == 60
