"""A whole run, step by step: settle, plan, generate, finish again, publish, report.

Who carries a step out is passed in: the flow makes Prefect task runs of them, `Steps` itself just does them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from assetmill.batch.admission import Pass
from assetmill.batch.context import Batch, Outcome
from assetmill.batch.finish import refinish
from assetmill.batch.follow import follow
from assetmill.batch.generate import generate, same_fate
from assetmill.batch.interrupt import withdraw_queued
from assetmill.batch.page import write_gallery
from assetmill.batch.report import BatchReport, build_report
from assetmill.batch.results import Choice, choose, publish_pack, read_before
from assetmill.batch.roads import Way, conclude, note_outages
from assetmill.batch.scaling import after_jobs, before_jobs
from assetmill.batch.session import plan_batch
from assetmill.batch.settling import settle_for_run
from assetmill.batch.spending import hold_against_budgets, within_budgets
from assetmill.errors import (
    AssetmillError,
    AttemptError,
    LedgerError,
    OutOfSight,
    ProviderRefused,
    QueueStalled,
    Refused,
    StorageError,
)
from assetmill.ledger import Output
from assetmill.packs import Published
from assetmill.planning.history import History
from assetmill.planning.plan import Plan, PlanItem, Selection, State

REFINISH_AT_ONCE = 8  # most of their time is the way to the store and back
STOPS_BATCH = (ProviderRefused, LedgerError, StorageError, QueueStalled)


class Steps:
    """How each step of a run is carried out; a subclass may wrap each of them."""

    async def settle(self, batch: Batch) -> int:
        """Settle what earlier runs left open."""
        return await settle_for_run(batch)

    async def planned(self, batch: Batch, plan: Plan) -> None:
        """Told what the plan is, before anything is sent."""

    async def generate(self, batch: Batch, item: PlanItem, entry: Pass) -> Outcome:
        """Make one picture."""
        return await generate(batch, item, entry)

    async def refinish(
        self, batch: Batch, items: tuple[PlanItem, ...], raws: Mapping[str, Mapping[str, Output]]
    ) -> None:
        """Finish pictures again that are paid for; `raws` has their raw images by attempt id."""
        waiting = deque(items)

        async def some() -> None:
            try:
                while waiting:
                    item = waiting.popleft()
                    await refinish(batch, item, raws[item.attempt_id or ""], draft=batch.endpoint.draft)
            except BaseException:
                waiting.clear()  # the others end with what they have in hand
                raise

        ended = await asyncio.gather(*(some() for _ in range(REFINISH_AT_ONCE)), return_exceptions=True)
        for fault in filter(None, ended):
            raise fault

    async def publish(self, batch: Batch, choices: dict[str, Choice], channel: str) -> Published | None:
        """Publish the pack."""
        return await asyncio.to_thread(publish_pack, batch, choices, channel, batch.clock.now())


async def run_batch(batch: Batch, selection: Selection, channel: str, steps: Steps) -> tuple[BatchReport, Plan]:
    """Carry a run out.

    Args:
        batch: an open batch.
        selection: part of the manifest.
        channel: where the pack is published; drafts have a channel of their own.
        steps: how the steps are carried out.

    Raises:
        BudgetExceeded: not one job fits into a budget, or nobody knows what one costs; nothing was sent.
        LedgerError, StorageError: the books or the store failed; nothing is half published.
    """
    state = "failed"
    try:
        result = await _steps(batch, selection, channel, steps)
    except asyncio.CancelledError:
        state = "interrupted"
        with suppress(LedgerError, StorageError):  # what is not withdrawn stays open, for whoever settles
            await asyncio.shield(withdraw_queued(batch))
        raise
    except Refused:
        state = "stopped"
        raise
    else:
        state = "stopped" if batch.common.ended else "finished"
        return result
    finally:
        await asyncio.to_thread(_end_run, batch, state)


def _end_run(batch: Batch, state: str) -> None:
    """Write down how the run ended; books that are away must not hide why, nor lose the report."""
    counts = batch.progress
    try:
        batch.ledger.end_run(
            batch.run_id,
            state=state,
            ended_at=batch.clock.now(),
            kept=counts.kept,
            failed=counts.failed,
            cached=counts.cached,
        )
    except LedgerError as error:
        batch.progress.say(f"the end of the run could not be written down: {error.message}")


async def _steps(batch: Batch, selection: Selection, channel: str, steps: Steps) -> tuple[BatchReport, Plan]:
    began = batch.clock.monotonic()
    batch.progress.phase("settling what earlier runs left open")
    collected = await steps.settle(batch)
    batch.progress.phase("planning")
    await asyncio.to_thread(read_before, batch, channel)
    plan, history = await plan_batch(batch, selection)
    await steps.planned(batch, plan)
    await hold_against_budgets(batch, plan)
    _start(batch, plan, history)
    async with within_budgets(batch, plan):
        await before_jobs(batch, plan)
        await _make(batch, plan, history, steps)
    await after_jobs(batch)
    await note_outages(batch)
    conclude(batch)
    if isinstance(batch.common.ended, LedgerError | StorageError):
        raise batch.common.ended
    batch.progress.phase("publishing")
    choices = choose(batch)
    published = await steps.publish(batch, choices, channel)
    gallery = await asyncio.to_thread(write_gallery, batch, plan, choices, batch.clock.now())
    report = build_report(
        batch,
        plan,
        choices,
        published=published,
        gallery=gallery,
        collected=collected,
        elapsed_s=batch.clock.monotonic() - began,
    )
    return report, plan


def _start(batch: Batch, plan: Plan, history: History) -> None:
    """Count what lies ahead, and note what is there already."""
    batch.progress.total = len(plan.to_pay) + plan.counts()[State.OPEN]
    for item in plan.items:
        if item.state is State.BLOCKED:
            batch.raws.offer(item.key, None)
        if item.state is not State.CACHED:
            continue
        batch.progress.cached += 1
        raws = history.details[item.attempt_id or ""].outputs
        batch.raws.offer(item.key, raws)
        if not item.refinish:
            done = history.finishes[item.attempt_id or "", item.finish_fingerprint]
            status = "kept" if done.rejected is None else "rejected"
            batch.outcomes[item.key] = Outcome(item, status, item.attempt_id, done)


async def _make(batch: Batch, plan: Plan, history: History, steps: Steps) -> None:
    batch.progress.phase("generating")
    jobs = [_one(batch, item, steps) for item in plan.items if item.state.paid or item.state is State.OPEN]
    if plan.to_refinish:
        jobs.append(_again(batch, plan.to_refinish, history, steps))
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


async def _again(batch: Batch, items: tuple[PlanItem, ...], history: History, steps: Steps) -> None:
    """Pictures that are there already: whatever goes wrong with them, paid jobs are still collected."""
    raws = {item.attempt_id or "": history.details[item.attempt_id or ""].outputs for item in items}
    try:
        await steps.refinish(batch, items, raws)
    except STOPS_BATCH as error:
        batch.end(error)
    except Exception as error:  # noqa: BLE001  told with each picture that it concerns
        for item in items:
            if item.key not in batch.outcomes:
                _give_up(batch, item, "failed", _fault(error))


async def _one(batch: Batch, item: PlanItem, steps: Steps) -> None:
    """One picture, once what it is drawn from is there and it may be sent.

    An error that concerns the whole batch ends it instead of raising: what is outstanding is still collected. One
    that nobody foresaw concerns this picture alone; its row stays as it is, for the next run to settle.
    """
    way = Way(batch, item)
    try:
        if item.state is State.OPEN and await _followed(way):
            return
        for name in item.asset.references:
            await batch.raws.settled(name)
        await _take_turn(way, steps)
    except STOPS_BATCH as error:
        batch.end(error)
        _give_up(batch, item, "failed", error)
    except Exception as error:  # noqa: BLE001  told in the report
        _give_up(batch, item, "failed", _fault(error))
    finally:
        batch.raws.offer(item.key, None)  # whatever happened, nobody waits for it any more


async def _take_turn(way: Way, steps: Steps) -> None:
    """Make the picture, at the first endpoint of its chain that does."""
    while True:
        lane, item = way.now()
        try:
            outcome = await _at(lane, item, way, steps)
        finally:
            way.answered(lane)
        if outcome is None:
            continue
        if not way.takes_over(lane, outcome):
            lane.report(outcome)
            return
        if outcome.attempt_id is not None and not outcome.followed:
            lane.spent(outcome)


async def _at(lane: Batch, item: PlanItem, way: Way, steps: Steps) -> Outcome | None:
    """Make it at one endpoint, unless another asset has made, or could not make, the very same; None to look again."""
    tries = lane.tries_of(item)
    async with tries.turn:
        fate = same_fate(item, tries)
        if fate is not None:
            return fate
        try:
            entry = await way.enter(lane, item)
        except AssetmillError as error:
            if isinstance(error, ProviderRefused):
                lane.end(error)
            return Outcome(item, "unsent", error=error, job_id=error.job_id)
        if entry is None:
            return None
        try:
            return await steps.generate(lane, item, entry)
        except (ProviderRefused, QueueStalled) as error:
            lane.end(error)
            return Outcome(item, "failed", error=error, job_id=error.job_id)
        finally:
            entry.close()


async def _followed(way: Way) -> bool:
    """Whether another attempt that is at this picture has brought it, or keeps it for itself."""
    item, road = way.item, way.item.road
    if road is None:
        return False
    lane = way.batch.lane(road.endpoint)
    try:
        outcome = await follow(lane, item, item.attempt_id or "")
    except ProviderRefused as error:  # this endpoint alone: the others go on
        lane.end(error)
        words = OutOfSight(f"its job is still open: {error.message}", hint="assetmill settle collects it")
        outcome = Outcome(item, "open", item.attempt_id, error=words)
    if outcome is None or way.takes_over(lane, outcome):
        return False
    lane.report(outcome)
    return True


def _fault(error: Exception) -> AssetmillError:
    """An error for the report, made of one that nobody foresaw."""
    if isinstance(error, AssetmillError):
        return error
    words = f"unexpected {type(error).__name__}: {error}"
    return AttemptError(words, hint="a fault of assetmill; run again: a job that was sent is collected, not paid again")


def _give_up(batch: Batch, item: PlanItem, status: str, error: AssetmillError) -> None:
    batch.raws.offer(item.key, None)
    batch.report(Outcome(item, status, error=error, job_id=error.job_id))
