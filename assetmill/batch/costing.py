"""What an attempt has cost, at the moment at which it is settled: its times, its share of its worker's life, its price.

The facts are written to the row together with the cost, so that whoever audits the row can work the cost out again. A
price is that of the worker's own GPU, where the listing told it; else the one that the attempt was sent with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from assetmill.batch.desk import Desk
from assetmill.batch.sent import Sent, possible_cost, sent_before
from assetmill.ledger import Facts, OpenAttempt
from assetmill.money import NO_PRICE, UNKNOWN_TURN, Cost, Spell, Turn, attempt_cost, no_cost
from assetmill.money.amounts import charge, rounded
from assetmill.providers.base import Job, JobState
from assetmill.providers.endpoint import Endpoint

CUT_SHORT = frozenset({JobState.CANCELLED, JobState.TIMED_OUT})
"""Endings of which a handler that does not await, like worker-comfyui's, hears only when it has done its work."""


@dataclass(frozen=True, slots=True)
class Account:
    """What an attempt has cost, and the facts that this follows from."""

    cost: Cost
    facts: Facts


def times_of(desk: Desk, sent: Sent, job: Job) -> Facts:
    """Times of a job on our own clock: the endpoint gives only durations, counted from when it queued it last."""
    facts = Facts(worker_id=job.worker_id, queue_ms=job.delay_ms, execution_ms=job.execution_ms, units=job.units)
    if job.delay_ms is None or job.delay_ms < 0:
        return facts
    started = sent.submitted_at + timedelta(milliseconds=job.delay_ms)
    if job.execution_ms is None or job.execution_ms < 0:
        return replace(facts, started_at=started)
    finished = started + timedelta(milliseconds=job.execution_ms)
    hidden = timedelta(milliseconds=desk.roster.hidden_ms(job, finished))
    facts = replace(facts, started_at=started + hidden, finished_at=finished + hidden)
    spell = _spell(sent.attempt_id, facts)
    if job.worker_id is not None and spell is not None and sent.usd_per_s != 0:
        desk.roster.ended(job.worker_id, spell)
    return facts


async def account(desk: Desk, sent: Sent, job: Job | None) -> Account:
    """Work out what a job that has ended cost; without its times, what it may have cost.

    Raises:
        LedgerError: the books are unavailable.
    """
    if job is None:
        return Account(possible_cost(sent.usd_per_s, sent.high_usd), Facts())
    facts = times_of(desk, sent, job)
    if desk.endpoint.by_units:
        return Account(units_cost(desk.endpoint, job.units, sent.high_usd), facts)
    if job.execution_ms is None:
        return Account(possible_cost(sent.usd_per_s, sent.high_usd), facts)
    told = await _accounted(desk, sent, facts, waited_unseen=desk.roster.waited_unseen(job))
    return _ran_on(told, sent) if job.state in CUT_SHORT else told


def _ran_on(told: Account, sent: Sent) -> Account:
    """A job that was cut short may have kept its worker busy to its end: at most what the plan allowed for, again."""
    if told.cost.high is None or sent.high_usd is None:
        return told
    return replace(told, cost=replace(told.cost, high=told.cost.high + sent.high_usd))


async def account_collected(desk: Desk, attempt: OpenAttempt) -> Account:
    """Work out what a job cost that somebody has collected and not settled, from the books alone.

    Raises:
        LedgerError: the books are unavailable.
    """
    if desk.endpoint.by_units:
        known = Facts(queue_ms=attempt.queue_ms, execution_ms=attempt.execution_ms, units=attempt.units)
        return Account(units_cost(desk.endpoint, attempt.units, attempt.planned_high_usd), known)
    facts = Facts(
        worker_id=attempt.worker_id,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        queue_ms=attempt.queue_ms,
        execution_ms=attempt.execution_ms,
    )
    return await _accounted(desk, sent_before(attempt, attempt.job_id or ""), facts, ask=False)


async def _accounted(desk: Desk, sent: Sent, facts: Facts, *, waited_unseen: bool = False, ask: bool = True) -> Account:
    spell = _spell(sent.attempt_id, facts)
    if sent.usd_per_s == 0 or facts.worker_id is None or spell is None:
        turn = UNKNOWN_TURN
    else:
        turn = await desk.roster.turn(facts.worker_id, spell, facts.queue_ms, ask=ask)
        facts = _priced(desk, facts, facts.worker_id)
        facts = _behind(facts, turn.waited_ms) if waited_unseen else facts
    usd_per_s = sent.usd_per_s if facts.price_per_s_usd is None else facts.price_per_s_usd
    hidden_ms = _hidden_ms(sent, facts)
    if desk.endpoint.standing:
        cost = standing_cost(usd_per_s, facts.execution_ms)
        return Account(cost, facts)
    cost = attempt_cost(usd_per_s, facts.execution_ms, facts.queue_ms, turn, hidden_ms=hidden_ms)
    return Account(cost, facts if sent.usd_per_s == 0 else _with_turn(facts, turn))


def standing_cost(usd_per_s: Decimal | None, execution_ms: int | None) -> Cost:
    """What a job cost on a server that is paid for anyhow: its time there, at the price of an hour."""
    if usd_per_s is None or execution_ms is None:
        return NO_PRICE
    amount = charge(usd_per_s, execution_ms)
    return Cost(amount, amount, amount, "estimated: its time on the server at the price of an hour")


def units_cost(endpoint: Endpoint, units: float | None, high_usd: Decimal | None) -> Cost:
    """What a job cost that its provider charged in a currency of its own.

    Args:
        endpoint: it knows what a unit costs; all None where nobody does.
        units: what the provider told; None where it told nothing.
        high_usd: what the plan said that it costs at most.
    """
    if endpoint.draft:
        return no_cost("draft")
    if units is None:
        return possible_cost(None, high_usd)
    if endpoint.usd_per_unit is None:
        return NO_PRICE
    amount = rounded(endpoint.usd_per_unit * Decimal(str(units)))
    words = f"estimated: {units:g} units at {endpoint.usd_per_unit:f} USD each: {endpoint.price_source}"
    return Cost(amount, amount, amount, words)


def _priced(desk: Desk, facts: Facts, worker_id: str) -> Facts:
    found = None if desk.endpoint.standing else desk.roster.price(worker_id)
    if found is None:
        return facts
    gpu, price = found
    return replace(facts, gpu=gpu, price_per_s_usd=price.usd_per_s, price_source=price.cited)


def _behind(facts: Facts, waited_ms: int) -> Facts:
    """The times of a job that its worker fetched ahead: what it waited there is delay, and another job's execution."""
    if not waited_ms or facts.started_at is None or facts.execution_ms is None:
        return facts
    return replace(
        facts,
        started_at=facts.started_at + timedelta(milliseconds=waited_ms),
        queue_ms=None if facts.queue_ms is None else facts.queue_ms + waited_ms,
        execution_ms=max(0, facts.execution_ms - waited_ms),
    )


def _with_turn(facts: Facts, turn: Turn) -> Facts:
    return replace(facts, cold=turn.cold, start_ms=turn.start_ms, gap_ms=turn.gap_ms, idle_ms=turn.idle_ms)


def _hidden_ms(sent: Sent, facts: Facts) -> int:
    """Time between submission and start that the endpoint does not count: it may have run the job once before."""
    if facts.started_at is None or facts.queue_ms is None:
        return 0
    waited_ms = round((facts.started_at - sent.submitted_at).total_seconds() * 1000)
    return max(0, waited_ms - facts.queue_ms)


def _spell(attempt_id: str, facts: Facts) -> Spell | None:
    if facts.started_at is None or facts.finished_at is None:
        return None
    return Spell(attempt_id, facts.started_at, facts.finished_at)
