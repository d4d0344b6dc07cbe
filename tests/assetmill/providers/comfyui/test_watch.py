from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from assetmill.errors import (
    CancelledElsewhere,
    ExecutionFailed,
    NotDelivered,
    QueueStalled,
    ResultExpired,
    TimedOut,
    WorkerFault,
)
from assetmill.localpod.comfyui import Comfy, Fault, Kind
from assetmill.providers.base import Job, JobRequest, JobState
from assetmill.providers.comfyui import ComfyUIProvider

ATTEMPT = "0123456789abcdef0123456789abcdef"
JOB = "01234567-89ab-cdef-0123-456789abcdef"
Requests = Callable[..., JobRequest]


def queue(*pending: str, running: str = "") -> JSONResponse:
    """An answer of /queue."""
    items = [[number, job_id, {}, {}, []] for number, job_id in enumerate(pending, 5)]
    return JSONResponse({"queue_running": [[1, running, {}, {}, []]] if running else [], "queue_pending": items})


async def test_every_state_is_seen_and_the_times_are_the_servers_own(script: Any, new_provider: Any) -> None:
    script.say("queue", queue(JOB, running="other"), queue(running=JOB), queue())
    messages = [
        ["execution_start", {"prompt_id": JOB, "timestamp": 1_700_000_002_500}],
        ["execution_cached", {"nodes": [], "prompt_id": JOB, "timestamp": 1_700_000_002_600}],
        ["execution_success", {"prompt_id": JOB, "timestamp": 1_700_000_009_500}],
    ]
    entry = {
        "prompt": [1, JOB, {}, {"create_time": 1_700_000_000_000}, []],
        "outputs": {},
        "status": {"status_str": "success", "completed": True, "messages": messages},
    }
    script.say(f"history/{JOB}", JSONResponse({JOB: entry}))
    seen: list[Job] = []
    job = await new_provider(script.url).wait(JOB, seen.append)
    states = list(dict.fromkeys(one.state for one in seen))
    assert states == [JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]
    assert (job.delay_ms, job.execution_ms) == (2_500, 7_000)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    (
        (Kind.NODE_ERROR, ExecutionFailed, "mat1 and mat2 shapes"),
        (Kind.OUT_OF_MEMORY, WorkerFault, r"torch\.OutOfMemoryError: Allocation on device"),
        (Kind.INTERRUPTED, CancelledElsewhere, "not by this run"),
    ),
)
async def test_a_failure_has_the_class_that_its_words_tell(
    comfy: Comfy, provider: ComfyUIProvider, request_of: Requests, kind: Kind, error: type[Exception], words: str
) -> None:
    comfy.inject(Fault(kind))
    asked = request_of()
    job = await provider.wait(await provider.submit(asked))
    with pytest.raises(error, match=words):
        await provider.collect(job, asked.outputs)


async def test_a_restart_loses_what_was_not_written_and_nothing_else(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    lost, kept = request_of("a" * 32), request_of("b" * 32, "far", "near")
    async with open_comfy(faults=(Fault(Kind.CRASH, match="a" * 32), Fault(Kind.CRASH_AFTER_WRITING))) as comfy:
        provider = new_provider(comfy.url)
        with pytest.raises(ResultExpired, match="has no picture of it"):
            await provider.wait(await provider.submit(lost))
        collected = await provider.collect(await provider.wait(await provider.submit(kept)), kept.outputs)
    assert set(collected.images) == {"far", "near"}


async def test_another_process_needs_only_the_id_even_after_a_restart(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    asked = request_of()
    async with open_comfy(faults=(Fault(Kind.CRASH_AFTER_WRITING, after=1),), restart_s=0) as comfy:
        first = new_provider(comfy.url)
        for attempt in (ATTEMPT, "b" * 32):
            job_id = await first.submit(request_of(attempt))
            await first.wait(job_id)
        second = new_provider(comfy.url)
        for again in (await second.look(JOB, age_s=500), await second.wait(JOB)):
            assert set((await second.collect(again, asked.outputs)).images) == {"image"}
        with pytest.raises(ResultExpired):
            await second.look("ffffffff-89ab-cdef-0123-456789abcdef", age_s=500)


async def test_a_job_that_runs_too_long_is_interrupted(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    async with open_comfy(real=True, faults=(Fault(Kind.SLOW, seconds=3600),)) as comfy:
        provider = new_provider(comfy.url, execution_timeout_s=30.0)
        job_id = await provider.submit(request_of())
        with pytest.raises(TimedOut, match="more than 30 s: interrupted"):
            await provider.wait(job_id)
        assert not comfy.outstanding or (await provider.wait(job_id)).state is JobState.CANCELLED


async def test_a_result_that_came_while_it_was_interrupted_counts(script: Any, new_provider: Any, time: Any) -> None:
    done = {"prompt": [1, JOB, {}, {}, []], "outputs": {}, "status": {"status_str": "success"}}

    def cancel(_body: bytes) -> JSONResponse:
        script.say_now("queue", queue())
        return JSONResponse({"cancelled": False})

    script.say("queue", queue(running=JOB))
    script.say(f"history/{JOB}", JSONResponse({JOB: done}))
    script.say(f"api/jobs/{JOB}/cancel", cancel)
    assert (await new_provider(script.url, execution_timeout_s=30.0).wait(JOB)).state is JobState.COMPLETED
    assert time.seconds > 30


async def test_a_queue_that_stands_still_ends_the_run_and_says_what_is_ahead(script: Any, new_provider: Any) -> None:
    script.say("queue", queue("elder", JOB, running="other"))
    said: list[str] = []
    with pytest.raises(QueueStalled, match="nothing has moved in ComfyUI's queue for 90 s; 2 jobs are ahead"):
        await new_provider(script.url, stall_s=90.0, notice=said.append).wait(JOB)
    assert said == ["2 jobs are ahead of ours at this ComfyUI (it runs one graph at a time, whoever sent it)"]


async def test_a_queue_that_moves_may_be_as_long_as_it_likes(script: Any, new_provider: Any, time: Any) -> None:
    others = [f"other-{number}" for number in range(4)]

    def moving(_body: bytes) -> JSONResponse:
        left = others[int(time.seconds // 40) :]
        return queue(*left[1:], JOB, running=left[0]) if left else queue(running=JOB) if time.seconds < 180 else queue()

    script.say("queue", moving)
    done = {"prompt": [1, JOB, {}, {}, []], "outputs": {}, "status": {"status_str": "success"}}
    script.say(f"history/{JOB}", JSONResponse({JOB: done}))
    job = await new_provider(script.url, stall_s=60.0).wait(JOB)
    assert job.state is JobState.COMPLETED
    assert time.seconds > 170


async def test_a_server_that_is_away_is_waited_for_and_one_that_stays_away_leaves_the_job_open(
    script: Any, new_provider: Any, time: Any
) -> None:
    def away(_body: bytes) -> Any:
        return PlainTextResponse("502 Bad Gateway", 502) if time.seconds < 30 else queue()

    done = {"prompt": [1, JOB, {}, {}, []], "outputs": {}, "status": {"status_str": "success"}}
    script.say("queue", away)
    script.say(f"history/{JOB}", JSONResponse({JOB: done}))
    assert (await new_provider(script.url).wait(JOB)).state is JobState.COMPLETED
    script.say_now("queue", Response(status_code=429, headers={"Retry-After": "60"}))
    with pytest.raises(NotDelivered, match="run again to collect it"):
        await new_provider(script.url).wait(JOB)


async def test_a_job_that_ends_between_two_looks_is_not_taken_for_lost(script: Any, new_provider: Any) -> None:
    """It leaves the queue after the first look and is in the history only when that is asked again."""
    done = {"prompt": [1, JOB, {}, {}, []], "outputs": {}, "status": {"status_str": "success"}}
    script.say("queue", queue())
    script.say(f"history/{JOB}", JSONResponse({}), JSONResponse({JOB: done}))
    assert (await new_provider(script.url).look(JOB, age_s=1)).state is JobState.COMPLETED


async def test_a_job_that_is_nowhere_for_a_moment_is_not_given_up(script: Any, new_provider: Any) -> None:
    done = {"prompt": [1, JOB, {}, {}, []], "outputs": {}, "status": {"status_str": "success"}}
    script.say("queue", queue())
    script.say(f"history/{JOB}", *[JSONResponse({})] * 4, JSONResponse({JOB: done}))
    assert (await new_provider(script.url).wait(JOB)).state is JobState.COMPLETED


async def test_a_job_that_waits_is_taken_out_of_the_queue_and_one_that_runs_is_interrupted(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    for jobs_api in (True, False):
        async with open_comfy(real=True, jobs_api=jobs_api, faults=(Fault(Kind.SLOW, seconds=3600),)) as comfy:
            provider = new_provider(comfy.url)
            running = await provider.submit(request_of("a" * 32))
            waiting = await provider.submit(request_of("b" * 32))
            await provider.cancel(waiting)
            assert (await provider.wait(waiting)).state is JobState.CANCELLED
            assert (await provider.look(running, age_s=1)).state is JobState.RUNNING
            await provider.cancel(running)
            assert (await provider.wait(running)).state is JobState.CANCELLED
            await provider.cancel(running)
            assert [(ran.prompt_id, ran.how) for ran in comfy.ran] == [(running, "execution_interrupted")]


async def test_nobody_elses_graph_is_interrupted_even_by_a_server_that_cannot_aim(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    faults = (Fault(Kind.SLOW, seconds=3600),)
    async with open_comfy(real=True, jobs_api=False, aimed_interrupts=False, faults=faults) as comfy:
        provider = new_provider(comfy.url)
        theirs = await provider.submit(request_of("a" * 32))
        ours = await provider.submit(request_of("b" * 32))
        await provider.cancel(ours)
        assert not comfy.calls["POST interrupt"]
        assert (await provider.look(theirs, age_s=1)).state is JobState.RUNNING


async def test_a_server_that_says_that_a_job_runs_no_more_has_done_what_was_asked(
    script: Any, new_provider: Any
) -> None:
    script.say("queue", queue(running=JOB))
    await new_provider(script.url).cancel(JOB)
    assert script.calls("interrupt") == 1


async def test_all_who_watch_share_one_look_at_the_queue(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    async with open_comfy(real=True) as comfy:
        comfy.hold()
        provider = new_provider(comfy.url, stall_s=60.0, window=20)
        ids = [await provider.submit(request_of(f"{number:032x}")) for number in range(12)]
        before = comfy.calls["GET queue"]
        await asyncio.gather(*(provider.look(job_id, age_s=0) for job_id in ids))
        assert comfy.calls["GET queue"] - before == 1
