"""The local endpoint's queue against a model of it, in any order of calls and at any time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from assetmill.errors import RequestRejected
from assetmill.localpod.jobs import Lease, Policy, Status
from assetmill.localpod.queue import JobQueue

GONE = "gone"
times = st.sampled_from((3.0, 20.0, 90.0, 300.0, 300.0))
policies = st.builds(Policy, execution_timeout_s=times, ttl_s=times, retention_s=times, low_priority=st.booleans())


@dataclass
class Known:
    """What a job has to be, as the model knows it."""

    policy: Policy
    submitted_s: float
    status: str = Status.IN_QUEUE
    started_s: float = 0.0
    finished_s: float | None = None
    attempt: int = 0
    lost: bool = False
    output: Any = None
    chunks: list[int] = field(default_factory=list)

    def expires_s(self) -> float:
        ends = [self.submitted_s + self.policy.ttl_s]
        if self.finished_s is not None:
            ends.append(self.finished_s + self.policy.retention_s)
        return min(ends)

    def end(self, status: str, at_s: float, output: Any = None) -> None:
        self.status, self.finished_s, self.output = status, at_s, output


class QueueMachine(RuleBasedStateMachine):
    """Calls in any order; after each, every job is where the model says, and every count is what it says."""

    ids = Bundle("ids")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.ended: list[str] = []
        self.queue = JobQueue(lambda: self.now, self.ended.append)
        self.known: dict[str, Known] = {}
        self.line: list[str] = []
        self.held: list[Lease] = []
        self.given = 0
        self.totals = dict.fromkeys(("completed", "failed", "cancelled", "retried"), 0)
        self.chunk = 0
        self.told: list[str] = []

    # --- the model --------------------------------------------------------------------------------------------

    def count(self, status: str) -> None:
        names = {Status.COMPLETED: "completed", Status.CANCELLED: "cancelled"}
        self.totals[names.get(status, "failed")] += 1  # type: ignore[call-overload]  # a Status is a str

    def finish(self, job_id: str, status: str, at_s: float, output: Any = None) -> None:
        if job_id in self.line:
            self.line.remove(job_id)
        self.known[job_id].end(status, at_s, output)
        self.count(status)
        self.told.append(job_id)

    def time_goes_by(self) -> None:
        """Timeouts and deletions that have fallen due by now."""
        for job_id, job in self.known.items():
            if job.status == GONE:
                continue
            timeout_s = job.started_s + job.policy.execution_timeout_s
            if job.status == Status.IN_PROGRESS and timeout_s <= self.now and timeout_s < job.expires_s():
                self.finish(job_id, Status.TIMED_OUT, timeout_s)
            if job.expires_s() <= self.now:
                job.status = GONE
                self.told.append(job_id)
                if job_id in self.line:
                    self.line.remove(job_id)

    def retryable(self) -> list[str]:
        return [job_id for job_id, job in self.known.items() if job.status in (Status.FAILED, Status.TIMED_OUT)]

    def holds(self, lease: Lease) -> bool:
        job = self.known[lease.job_id]
        return job.status == Status.IN_PROGRESS and job.attempt == lease.attempt

    # --- the calls --------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0, 1, 2, 7, 50)))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.time_goes_by()

    @rule(target=ids, policy=policies)
    def submit(self, policy: Policy) -> str:
        job_id = f"j{len(self.known)}"
        job = self.queue.submit(job_id, {"n": job_id, "images": [{"name": "a", "image": "x"}]}, policy)
        assert job.status is Status.IN_QUEUE
        self.known[job_id] = Known(policy, self.now)
        self.line.append(job_id)
        return job_id

    @precondition(lambda self: not self.line)
    @rule()
    def take_from_nothing(self) -> None:
        assert self.queue.take("w1") is None

    @precondition(lambda self: self.line)
    @rule(target=leases)
    def take(self) -> Lease:
        lease = self.queue.take("w1")
        assert lease is not None, f"{self.line} wait, and nothing was given"
        assert lease.job_id == self.line.pop(0), "not the one that has waited longest"
        job = self.known[lease.job_id]
        job.status, job.started_s, job.attempt = Status.IN_PROGRESS, self.now, job.attempt + 1
        self.given += 1
        assert lease.attempt == job.attempt
        assert lease.input["n"] == lease.job_id
        assert lease.input["images"] == [{"name": "a", "image": "x"}]
        self.held.append(lease)
        return lease

    @precondition(lambda self: any(map(self.holds, self.held)))
    @rule(well=st.booleans())
    def finish_what_runs(self, well: bool) -> None:
        self.hand_in(next(filter(self.holds, self.held)), well)

    @precondition(lambda self: self.retryable())
    @rule()
    def retry_what_failed(self) -> None:
        self.retry(self.retryable()[0])

    @precondition(lambda self: any(map(self.holds, self.held)))
    @rule()
    def wait_for_a_timeout(self) -> None:
        job = self.known[next(filter(self.holds, self.held)).job_id]
        self.now = max(self.now, job.started_s + job.policy.execution_timeout_s)
        self.time_goes_by()

    @rule(lease=leases, well=st.booleans())
    def hand_in_anything(self, lease: Lease, well: bool) -> None:
        self.hand_in(lease, well)

    def hand_in(self, lease: Lease, well: bool) -> None:
        right = self.holds(lease)
        mark = f"{lease.job_id}/{lease.attempt}"
        done = self.queue.complete(lease, mark) if well else self.queue.fail(lease, "broke", mark)
        assert done is right
        if right:
            self.finish(lease.job_id, Status.COMPLETED if well else Status.FAILED, self.now, mark)

    @rule(lease=leases)
    def lose(self, lease: Lease) -> None:
        right, job = self.holds(lease), self.known[lease.job_id]
        assert self.queue.lose(lease) is right
        if right and job.lost:
            self.finish(lease.job_id, Status.TIMED_OUT, self.now)
        elif right:
            job.status, job.lost, job.chunks, job.output = Status.IN_QUEUE, True, [], None
            self.line.insert(0, lease.job_id)
            self.totals["retried"] += 1

    @rule(lease=leases)
    def report(self, lease: Lease) -> None:
        right = self.holds(lease)
        self.chunk += 1
        assert self.queue.progress(lease, self.chunk) is right
        assert self.queue.stream(lease, self.chunk) is right
        if right:
            self.known[lease.job_id].output = self.chunk
            self.known[lease.job_id].chunks.append(self.chunk)

    @rule(job_id=ids)
    def drain(self, job_id: str) -> None:
        job = self.known[job_id]
        expected = () if job.status == GONE else tuple(job.chunks)
        assert self.queue.drain(job_id) == expected
        job.chunks = []

    @rule(job_id=ids)
    def cancel(self, job_id: str) -> None:
        job, answer = self.known[job_id], self.queue.cancel(job_id)
        assert (answer is None) is (job.status == GONE)
        if job.status in (Status.IN_QUEUE, Status.IN_PROGRESS):
            assert answer is not None
            assert answer.input is None
            self.finish(job_id, Status.CANCELLED, self.now)

    @rule(job_id=ids)
    def retry_anything(self, job_id: str) -> None:
        self.retry(job_id)

    def retry(self, job_id: str) -> None:
        job = self.known[job_id]
        if job.status == GONE:
            assert self.queue.retry(job_id) is None
        elif job.status not in (Status.FAILED, Status.TIMED_OUT):
            with pytest.raises(RequestRejected):
                self.queue.retry(job_id)
        else:
            assert self.queue.retry(job_id) is not None
            job.status, job.finished_s, job.lost, job.output, job.chunks = Status.IN_QUEUE, None, False, None, []
            self.line.append(job_id)
            self.totals["retried"] += 1

    @precondition(lambda self: len(self.line) > 1)
    @rule()
    def purge(self) -> None:
        waiting = list(self.line)
        assert self.queue.purge() == len(waiting)
        for job_id in waiting:
            self.finish(job_id, Status.CANCELLED, self.now)

    @rule(job_id=ids, ttl_s=times)
    def set_ttl(self, job_id: str, ttl_s: float) -> None:
        self.queue.set_ttl(job_id, ttl_s)
        job = self.known[job_id]
        if job.status != GONE:
            job.policy = replace(job.policy, ttl_s=ttl_s)
            self.time_goes_by()

    @precondition(lambda self: not self.known)
    @rule()
    def ask_for_what_never_was(self) -> None:
        assert self.queue.find("nobody") is None
        assert self.queue.cancel("nobody") is None
        assert self.queue.retry("nobody") is None
        assert self.queue.drain("nobody") == ()
        self.queue.set_ttl("nobody", 5.0)

    # --- what always holds ------------------------------------------------------------------------------------

    @invariant()
    def every_job_is_where_the_model_has_it(self) -> None:
        for job_id, expected in self.known.items():
            job = self.queue.find(job_id)
            assert (job is None) is (expected.status == GONE), job_id
            if job is not None:
                assert (job.status, job.attempt, job.finished_s) == (
                    expected.status, expected.attempt, expected.finished_s,
                )  # fmt: skip
                assert job.expires_s > self.now
                assert job.output == expected.output
                assert job.execution_ms is None or job.execution_ms >= 0
                assert job.delay_ms is None or job.delay_ms >= 0
        assert {job.id for job in self.queue.jobs()} == {i for i, job in self.known.items() if job.status != GONE}

    @invariant()
    def every_count_is_true(self) -> None:
        counts = self.queue.counts()
        running = sum(job.status == Status.IN_PROGRESS for job in self.known.values())
        assert (counts.in_queue, counts.in_progress) == (len(self.line), running)
        assert {name: getattr(counts, name) for name in self.totals} == self.totals
        assert self.queue.demand == sum(not self.known[job_id].policy.low_priority for job_id in self.line)

    @invariant()
    def what_was_executed_is_what_was_given(self) -> None:
        executions = self.queue.executions.all()
        assert self.queue.counts().executed == self.given == len(executions)
        open_ones = [one.job_id for one in executions if one.ended_s is None]
        assert sorted(open_ones) == sorted(i for i, job in self.known.items() if job.status == Status.IN_PROGRESS)
        assert all(one.ended_s is None or one.ended_s >= one.started_s for one in executions)

    @invariant()
    def whoever_waits_is_told_of_every_end(self) -> None:
        self.queue.sweep()
        assert sorted(self.ended) == sorted(self.told)


def test_the_queue_does_what_its_model_does_whatever_is_called_and_whenever():
    run_state_machine_as_test(QueueMachine, settings=settings(stateful_step_count=40))
