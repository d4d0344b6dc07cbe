"""Every pipeline runs through the local Scenario over HTTP, and every way in which it can go wrong has its ending."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from assetmill.errors import (
    CancelledElsewhere,
    ExecutionFailed,
    InvalidImage,
    JobFailed,
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    QueueStalled,
    RequestRejected,
    ResultExpired,
    Throttled,
    TimedOut,
    ValidationFailed,
    WorkflowError,
)
from assetmill.images import decode
from assetmill.localpod.scenario.faults import Fault, Kind
from assetmill.providers.base import Job, JobRequest, JobState, StepState
from assetmill.providers.scenario import ScenarioProvider
from assetmill.providers.scenario.pipelines import pipelines_of

PAID = {
    "scenario-entity": {"img2img": 1, "remove-background": 1},
    "scenario-sheet": {"img2img": 1, "remove-background": 1},
    "scenario-img2img": {"img2img": 1},
    "scenario-background": {"txt2img": 1},
    "scenario-txt2img": {"txt2img": 1},
    "scenario-title-hero": {"txt2img": 1, "remove-background": 1},
    "scenario-parallax-layers-3": {"txt2img": 3, "remove-background": 2},
    "scenario-parallax-decompose-3": {"txt2img": 1, "custom": 1},
}


@pytest.mark.parametrize("name", PAID)
async def test_a_pipeline_brings_every_picture_and_costs_what_the_dry_run_said(desk, name):
    here = await desk()
    provider, request = here.open(), here.request(name)
    expected = await provider.dry_run_units(request.graph)
    job, collected = await here.made(provider, request)
    assert set(collected.images) == set(request.outputs)
    assert dict(here.scenario.executions()) == PAID[name]
    assert job.units == expected == here.scenario.charged_units
    assert collected.draft
    assert job.execution_ms is not None


async def test_a_cut_out_has_alpha_and_a_painting_is_the_jpeg_that_scenario_made(desk):
    here = await desk()
    provider = here.open()
    _, cut = await here.made(provider, here.request("scenario-entity", "a1"))
    _, whole = await here.made(provider, here.request("scenario-background", "a2"))
    assert decode(cut.images["image"]).getextrema()[3][0] == 0
    assert whole.images["image"].startswith(b"\xff\xd8\xff")


async def test_real_art_is_not_taken_for_a_draft(desk):
    here = await desk(placeholders=False)
    _, collected = await here.made(here.open(), here.request("scenario-background"))
    assert not collected.draft


async def test_no_picture_and_no_key_reaches_the_books(desk):
    here = await desk()
    await here.made(here.open(), here.request("scenario-entity"))
    written = repr(await here.book.steps("a1"))
    assert len(written) < 3000
    assert "base64" not in written
    assert "made-up" not in written
    assert "sig=" not in written


async def test_a_large_picture_goes_up_in_parts(desk, monkeypatch):
    monkeypatch.setattr("assetmill.providers.scenario.uploads.MOST_AT_ONCE", 100)
    monkeypatch.setattr("assetmill.providers.scenario.uploads.PART_BYTES", 64)
    here = await desk()
    _, collected = await here.made(here.open(), here.request("scenario-img2img"))
    assert collected.images
    assert here.scenario.calls()["part"] > 1


async def test_a_custom_model_is_asked_in_the_names_of_its_own_inputs(desk):
    here = await desk("model_retrodiffusion-plus")
    job, _ = await here.made(here.open(), here.request("scenario-background"))
    assert dict(here.scenario.executions()) == {"custom": 1}
    assert job.state is JobState.COMPLETED


async def test_what_a_custom_model_cannot_take_is_refused_before_anything_is_paid(desk):
    here = await desk("model_bria-remove-background")
    with pytest.raises(RequestRejected, match="takes no prompt"):
        await here.open().submit(here.request("scenario-background"))
    assert not here.scenario.jobs()


async def test_a_request_that_is_a_graph_is_refused(desk):
    here = await desk()
    with pytest.raises(WorkflowError, match="no pipeline"):
        await here.open().submit(JobRequest("a1", {"9": {"class_type": "SaveImage", "inputs": {}}}, {}))
    assert here.book.rows == {}


async def test_a_failed_step_is_sent_once_more_and_nothing_is_paid_twice(desk):
    here = await desk(faults=(Fault(Kind.FAILURE, "remove-background"),))
    job, _ = await here.made(here.open(), here.request("scenario-entity"))
    assert dict(here.scenario.executions()) == {"img2img": 1, "remove-background": 2}
    assert job.units == here.scenario.charged_units == 20.625


async def test_a_step_that_fails_twice_ends_the_attempt_with_what_was_paid(desk):
    here = await desk(faults=(Fault(Kind.FAILURE, "remove-background", times=2),))
    provider, request = here.open(), here.request("scenario-entity")
    job = await provider.wait(await provider.submit(request))
    assert (job.state, job.units) == (JobState.FAILED, 5.0)
    with pytest.raises(JobFailed, match=r"step 3 \(remove-background\) failed: .*out of memory"):
        await provider.collect(job, request.outputs)
    again = await here.open().look(job.id, age_s=0)
    assert (again.state, again.units) == (JobState.FAILED, 5.0), "a fresh process says the same"


async def test_a_failure_that_is_not_refunded_is_counted(desk):
    here = await desk(faults=(Fault(Kind.FAILURE, times=2, refund=False),))
    provider = here.open()
    job = await provider.wait(await provider.submit(here.request("scenario-background")))
    assert job.units == here.scenario.charged_units == 10.0


async def test_what_scenario_will_not_show_is_not_asked_for_again(desk):
    here = await desk(faults=(Fault(Kind.FAILURE, error="Blocked: the content is NSFW"),))
    provider, request = here.open(), here.request("scenario-background")
    job = await provider.wait(await provider.submit(request))
    with pytest.raises(ExecutionFailed, match="NSFW"):
        await provider.collect(job, request.outputs)
    assert dict(here.scenario.executions()) == {"txt2img": 1}


async def test_a_cancelled_step_ends_the_attempt_and_is_not_sent_again(desk):
    here = await desk(faults=(Fault(Kind.CANCELED, "remove-background"),))
    provider, request = here.open(), here.request("scenario-entity")
    job = await provider.wait(await provider.submit(request))
    assert job.state is JobState.CANCELLED
    with pytest.raises(CancelledElsewhere):
        await provider.collect(job, request.outputs)
    assert here.scenario.executions()["remove-background"] == 1


async def test_a_later_step_that_is_refused_ends_the_attempt(desk):
    here = await desk(faults=(Fault(Kind.BAD_REQUEST, "remove-background", times=None),))
    provider, request = here.open(), here.request("scenario-entity")
    job = await provider.wait(await provider.submit(request))
    assert (job.state, job.units) == (JobState.FAILED, 5.0)
    with pytest.raises(ValidationFailed):
        await provider.collect(job, request.outputs)
    with pytest.raises(ValidationFailed):
        await provider.collect(await here.open().look(job.id, age_s=0), request.outputs)


@pytest.mark.parametrize(
    ("kind", "error"),
    ((Kind.BAD_REQUEST, RequestRejected), (Kind.NO_PLAN, RequestRejected), (Kind.CUT, OutcomeUnknown)),
)
async def test_a_first_call_that_is_not_taken_says_why(desk, kind, error):
    here = await desk(faults=(Fault(kind, times=None),))
    with pytest.raises(error):
        await here.open().submit(here.request("scenario-background"))
    assert not here.scenario.jobs()


async def test_wrong_keys_stop_the_batch(desk, time):
    here = await desk()
    wrong = replace(here.endpoint, secret=here.endpoint.key)
    provider = ScenarioProvider(wrong, time.clock(), here.book, window=1, stall_s=60)
    with pytest.raises(ProviderRefused, match="SCENARIO_SECRET_API_KEY"):
        await provider.submit(here.request("scenario-background"))
    await provider.aclose()


@pytest.mark.parametrize("kind", (Kind.ANSWER_LOST, Kind.RESET, Kind.ERROR_AFTER))
@pytest.mark.parametrize("call", ("img2img", "remove-background"))
async def test_a_call_whose_answer_is_lost_is_found_and_not_paid_again(desk, kind, call):
    here = await desk(faults=(Fault(kind, call),))
    provider, request = here.open(), here.request("scenario-entity")
    try:
        job_id = await provider.submit(request)
    except OutcomeUnknown:
        sighting = await provider.find("a1", age_s=0)
        assert sighting.job_id is not None
        job_id = sighting.job_id
    await provider.collect(await provider.wait(job_id), request.outputs)
    assert dict(here.scenario.executions()) == PAID["scenario-entity"]


@pytest.mark.parametrize("kind", (Kind.CUT, Kind.ERROR))
async def test_a_later_call_that_provably_never_arrived_is_sent_again(desk, kind):
    here = await desk(faults=(Fault(kind, "remove-background"),))
    job, _ = await here.made(here.open(), here.request("scenario-entity"))
    assert job.units == 20.625
    assert dict(here.scenario.executions()) == PAID["scenario-entity"]


async def test_a_first_call_that_never_arrived_is_proven_absent(desk, time):
    here = await desk(faults=(Fault(Kind.CUT),))
    provider, request = here.open(), here.request("scenario-background")
    with pytest.raises(OutcomeUnknown):
        await provider.submit(request)
    began = time.seconds
    sighting = await provider.find("a1", age_s=0)
    assert sighting.absent
    assert time.seconds - began >= 60, "a fresh job may show late"
    assert await here.states() == [("txt2img", "planned")]


async def test_a_step_that_was_never_intended_proves_absence_at_once(desk, time):
    here = await desk()
    sighting = await here.open().find("a1", age_s=0)
    assert sighting.absent
    assert time.seconds == 0


async def test_where_the_list_of_jobs_cannot_be_had_nobody_can_tell(desk):
    here = await desk(faults=(Fault(Kind.ANSWER_LOST), Fault(Kind.ERROR, "jobs", times=None)))
    provider = here.open()
    with pytest.raises(OutcomeUnknown):
        await provider.submit(here.request("scenario-background"))
    sighting = await provider.find("a1", age_s=0)
    assert (sighting.unanswered, sighting.absent, sighting.job_id) == (True, False, None)


async def test_a_lost_later_step_of_which_nobody_can_tell_leaves_the_attempt_open(desk):
    lost = Fault(Kind.ANSWER_LOST, "remove-background")
    here = await desk(faults=(lost, Fault(Kind.ERROR, "jobs", times=None)))
    provider, request = here.open(), here.request("scenario-entity")
    job_id = await provider.submit(request)
    with pytest.raises(NotDelivered, match="no answer came"):
        await provider.wait(job_id)
    assert (await here.states())[-1] == ("remove-background", "intended")


async def test_never_more_jobs_are_out_than_scenario_allows(desk):
    here = await desk(parallel=2, most=6)
    told = []
    provider = here.open(notice=told.append)
    requests = [here.request("scenario-title-hero", f"a{n}", seed=n) for n in range(6)]

    async def one(request: JobRequest) -> JobState:
        while True:
            try:
                job_id = await provider.submit(request)
            except Throttled:
                continue
            return (await provider.wait(job_id)).state

    assert set(await asyncio.gather(*map(one, requests))) == {JobState.COMPLETED}
    assert here.scenario.most_outstanding <= 2
    assert told == ["Scenario runs 2 jobs of this key at once"]
    refused = here.scenario.calls()["txt2img"] - 6
    assert refused <= 4, "the ceiling is learnt, and not hammered"


async def test_a_cool_down_is_waited_for_as_asked(desk, time):
    here = await desk(faults=(Fault(Kind.COOL_DOWN, "txt2img", seconds=20.0),))
    await here.open().submit(here.request("scenario-background"))
    assert time.seconds >= 20
    assert here.scenario.calls()["txt2img"] == 2


async def test_a_cool_down_beyond_patience_is_handed_on(desk):
    here = await desk(faults=(Fault(Kind.COOL_DOWN, "txt2img", seconds=500.0),))
    with pytest.raises(Throttled) as caught:
        await here.open().submit(here.request("scenario-background"))
    assert caught.value.retry_after_s == 500
    assert await here.states() == [("txt2img", "planned")], "nothing was accepted, for certain"
    assert here.scenario.calls()["txt2img"] == 1


async def test_looking_sends_nothing_and_says_running_while_steps_remain(desk):
    here = await desk()
    provider = here.open()
    here.scenario.hold()
    job_id = await provider.submit(here.request("scenario-entity"))
    first = await provider.look(job_id, age_s=0)
    assert not first.state.terminal
    here.scenario.release()
    while (await here.book.steps("a1"))[1].state is StepState.SUBMITTED:
        looked = await provider.look(job_id, age_s=0)
    assert looked.state is JobState.RUNNING
    assert dict(here.scenario.executions()) == {"img2img": 1}
    assert (await provider.wait(job_id)).state is JobState.COMPLETED
    assert (await provider.look(job_id, age_s=0)).output.keys() == {"image"}


async def test_watchers_see_one_job_whose_state_never_goes_back(desk):
    here = await desk(painters=1)
    here.scenario.hold()
    provider, seen = here.open(), []
    await provider.submit(here.request("scenario-background", "before"))
    job_id = await provider.submit(here.request("scenario-entity"))

    def see(job: Job) -> None:
        seen.append(job)
        here.scenario.release()

    await provider.wait(job_id, see)
    assert {job.id for job in seen} == {job_id}
    order = [JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]
    places = [order.index(job.state) for job in seen]
    assert places == sorted(places)
    assert set(places) == {0, 1, 2}


async def test_a_job_that_is_never_begun_stalls(desk):
    here = await desk(painters=1)
    here.scenario.hold()
    provider = here.open(stall_s=300.0)
    await provider.submit(here.request("scenario-background", "before"))
    job_id = await provider.submit(here.request("scenario-background"))
    with pytest.raises(QueueStalled, match="has not begun a job"):
        await provider.wait(job_id)


@pytest.mark.parametrize(("cancels", "error"), ((True, TimedOut), (False, NotDelivered)))
async def test_a_job_that_runs_for_too_long_is_cancelled_or_left_open(desk, cancels, error):
    here = await desk(cancels=cancels)
    here.scenario.hold()
    provider = here.open(execution_timeout_s=100.0)
    job_id = await provider.submit(here.request("scenario-background"))
    with pytest.raises(error):
        await provider.wait(job_id)


async def test_cancelling_says_whether_the_job_goes_on(desk):
    here = await desk()
    here.scenario.hold()
    provider = here.open()
    job_id = await provider.submit(here.request("scenario-background"))
    with pytest.raises(NotDelivered, match="does not cancel"):
        await provider.cancel(job_id)
    here.scenario.release()
    await provider.wait(job_id)
    await provider.cancel(job_id)


async def test_a_job_that_scenario_has_forgotten_is_gone_once_it_is_no_longer_young(desk):
    here = await desk()
    provider = here.open()
    job_id = await provider.submit(here.request("scenario-background"))
    step = (await here.book.steps("a1"))[0]
    await here.book.note("a1", replace(step, job_id="job_unheard"))
    with pytest.raises(NotDelivered, match="not visible yet"):
        await provider.look("job_unheard", age_s=5)
    with pytest.raises(ResultExpired):
        await provider.look("job_unheard", age_s=500)
    with pytest.raises(ResultExpired):
        await provider.wait("job_unheard")
    with pytest.raises(NotDelivered, match="books hold no step"):
        await provider.wait(job_id)


async def test_a_file_that_is_cut_off_is_no_picture(desk):
    here = await desk(faults=(Fault(Kind.TRUNCATED, times=None),))
    provider, request = here.open(), here.request("scenario-background")
    job = await provider.wait(await provider.submit(request))
    with pytest.raises(InvalidImage):
        await provider.collect(job, request.outputs)


async def test_an_address_that_has_expired_is_asked_for_anew(desk):
    here = await desk(faults=(Fault(Kind.FORBIDDEN),))
    _, collected = await here.made(here.open(), here.request("scenario-background"))
    assert collected.images
    assert here.scenario.calls()["asset"] == 2


async def test_a_file_that_cannot_be_had_now_leaves_the_job_to_be_collected_later(desk):
    here = await desk(faults=(Fault(Kind.FORBIDDEN, times=3),))
    provider, request = here.open(), here.request("scenario-background")
    job = await provider.wait(await provider.submit(request))
    with pytest.raises(NotDelivered, match="HTTP 403") as caught:
        await provider.collect(job, request.outputs)
    assert "sig=" not in str(caught.value)
    assert (await provider.collect(job, request.outputs)).images


async def test_nobody_is_paid_by_the_second(desk):
    provider = (await desk()).open()
    assert (await provider.facts()).max_workers is None
    assert await provider.workers() == ()


def test_every_pipeline_is_proven_here():
    assert {one.name for one in pipelines_of("flux.1-dev")} == set(PAID)
