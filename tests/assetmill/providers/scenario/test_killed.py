"""Killed at any write of a pipeline, before or after its commit, a fresh process ends it and pays nothing twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from assetmill.errors import ClaimLost, OutcomeUnknown
from assetmill.localpod.scenario.config import Stages
from assetmill.localpod.scenario.faults import Fault, Kind
from assetmill.providers.base import JobState, Step
from assetmill.providers.scenario.chain import AGAIN

WRITES = {"scenario-entity": 8, "scenario-parallax-decompose-3": 7}


class KilledError(BaseException):
    """The process is gone: nobody catches this."""


@dataclass
class MortalBook:
    """Books whose writer dies at one of its writes."""

    book: Any
    at: int
    committed: bool
    writes: int = 0

    async def steps(self, attempt_id: str) -> tuple[Step, ...]:
        return await self.book.steps(attempt_id)

    async def attempt_of(self, job_id: str) -> str | None:
        return await self.book.attempt_of(job_id)

    async def note(self, attempt_id: str, *steps: Step) -> None:
        self.writes += 1
        dies = self.writes == self.at
        if dies and not self.committed:
            raise KilledError
        await self.book.note(attempt_id, *steps)
        if dies:
            raise KilledError


async def carried_on(here, request) -> JobState:
    """What a fresh process does with an attempt that it finds open."""
    provider = here.open()
    sighting = await provider.find("a1", age_s=0)
    job_id = await provider.submit(request) if sighting.absent else sighting.job_id
    assert job_id is not None, sighting.evidence
    job = await provider.wait(job_id)
    assert (await provider.collect(job, request.outputs)).images.keys() == request.outputs.keys()
    assert job.units == here.scenario.charged_units
    return job.state


@pytest.mark.parametrize(
    ("name", "at", "committed"),
    (
        *(("scenario-entity", at + 1, committed) for at in range(8) for committed in (False, True)),
        *(("scenario-parallax-decompose-3", at + 1, False) for at in range(7)),
    ),
)
async def test_killed_at_any_write_a_fresh_process_repeats_no_paid_call(desk, name, at, committed):
    here = await desk()
    request = here.request(name)
    first = here.open(MortalBook(here.book, at, committed))
    with pytest.raises(KilledError):
        await first.wait(await first.submit(request))
    assert await carried_on(here, request) is JobState.COMPLETED
    assert set(here.scenario.executions().values()) == {1}


@pytest.mark.parametrize("name", WRITES)
async def test_the_writes_above_are_all_there_are(desk, name):
    here = await desk()
    await here.made(here.open(), here.request(name))
    assert here.book.notes == WRITES[name]


async def test_killed_after_a_failure_the_second_try_is_made_once(desk):
    here = await desk(faults=(Fault(Kind.FAILURE, "img2img"),), stages=Stages(in_progress_s=5))
    request = here.request("scenario-entity")
    first = here.open(MortalBook(here.book, 7, committed=False))  # the second try was accepted, and not written down
    with pytest.raises(KilledError):
        await first.wait(await first.submit(request))
    fresh = here.open()
    sighting = await fresh.find("a1", age_s=0)
    job = await fresh.wait(sighting.job_id)
    assert job.state is JobState.COMPLETED
    assert dict(here.scenario.executions()) == {"img2img": 2, "remove-background": 1}
    assert job.units == here.scenario.charged_units
    numbers = [step.number for step in await here.book.steps("a1")]
    assert numbers == [0, 1, 2, 1 + AGAIN], "the failed job stays in the books"


async def test_a_run_that_is_cancelled_while_a_call_is_out_writes_its_job_down_first(desk):
    here = await desk()
    provider = here.open()
    task = asyncio.create_task(provider.submit(here.request("scenario-background")))
    while await here.states() != [("txt2img", "intended")]:  # noqa: ASYNC110  a row has no event
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await here.states() == [("txt2img", "submitted")]
    assert here.scenario.executions() == {"txt2img": 1}


async def test_whoever_has_lost_the_claim_sends_nothing(desk):
    here = await desk()

    class Taken(MortalBook):
        async def note(self, attempt_id: str, *steps: Step) -> None:
            if any(step.state == "intended" for step in steps):
                raise ClaimLost("somebody else has it")
            await self.book.note(attempt_id, *steps)

    with pytest.raises(ClaimLost):
        await here.open(Taken(here.book, 0, committed=True)).submit(here.request("scenario-background"))
    assert not here.scenario.jobs()


async def test_submitting_again_after_a_lost_answer_sends_nothing(desk):
    here = await desk(faults=(Fault(Kind.ANSWER_LOST),))
    provider, request = here.open(), here.request("scenario-background")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await provider.submit(request)
    assert here.scenario.executions() == {"txt2img": 1}
