"""What the clock does to jobs: delays, timeouts, time to live, retention."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from assetmill.localpod.queue import Counts, JobQueue, Policy, Status

POLICY = Policy(execution_timeout_s=600, ttl_s=86_400, retention_s=1_800)


@dataclass
class Watch:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def queue(watch: Watch) -> JobQueue:
    return JobQueue(watch)


def running_job(queue: JobQueue, policy: Policy = POLICY) -> None:
    queue.submit("a", {"k": 1}, policy)
    assert queue.take("w1")


def test_delay_and_execution_are_told_in_milliseconds(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, POLICY)
    job = queue.find("a")
    assert job is not None
    assert (job.delay_ms, job.execution_ms) == (None, None)
    watch.seconds = 2.5
    lease = queue.take("w1")
    assert lease is not None
    job = queue.find("a")
    assert job is not None
    assert (job.delay_ms, job.execution_ms) == (2_500, None)
    watch.seconds = 6.0
    queue.complete(lease, 1)
    job = queue.find("a")
    assert job is not None
    assert (job.delay_ms, job.execution_ms) == (2_500, 3_500)


def test_a_retried_job_waits_from_its_retry(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, POLICY)
    lease = queue.take("w1")
    assert lease is not None
    queue.fail(lease, "boom")
    watch.seconds = 100.0
    queue.retry("a")
    watch.seconds = 101.0
    queue.take("w1")
    job = queue.find("a")
    assert job is not None
    assert job.delay_ms == 1_000


def test_a_job_times_out_on_its_worker_and_its_late_result_is_dropped(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, Policy(execution_timeout_s=5, ttl_s=100, retention_s=50))
    watch.seconds = 3.0
    lease = queue.take("w1")
    assert lease is not None
    watch.seconds = 7.9
    assert queue.counts().in_progress == 1
    watch.seconds = 20.0
    assert not queue.complete(lease, "late")
    job = queue.find("a")
    assert job is not None
    assert (job.status, job.execution_ms, job.output) == (Status.TIMED_OUT, 5_000, None)
    assert "5 s" in str(job.error)
    assert queue.counts() == Counts(failed=1, executed=1)


def test_a_late_result_of_the_first_try_cannot_end_the_second(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, Policy(execution_timeout_s=5, ttl_s=1_000, retention_s=500))
    first = queue.take("w1")
    assert first is not None
    watch.seconds = 6.0
    assert queue.retry("a")
    second = queue.take("w2")
    assert second is not None
    assert not queue.complete(first, "first")
    assert queue.complete(second, "second")
    job = queue.find("a")
    assert job is not None
    assert job.output == "second"


def test_waiting_time_does_not_count_as_execution(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, Policy(execution_timeout_s=5, ttl_s=1_000, retention_s=500))
    watch.seconds = 999.0
    assert queue.take("w1")
    assert queue.counts().in_progress == 1


@pytest.mark.parametrize("state", ("waiting", "running", "completed"))
def test_time_to_live_deletes_a_job_whatever_its_state(queue: JobQueue, watch: Watch, state: str) -> None:
    queue.submit("a", {"k": 1}, Policy(execution_timeout_s=600, ttl_s=10, retention_s=1_800))
    lease = queue.take("w1") if state != "waiting" else None
    if lease and state == "completed":
        queue.complete(lease, 1)
    watch.seconds = 9.9
    assert queue.find("a") is not None
    watch.seconds = 10.0
    assert queue.find("a") is None
    counts = queue.counts()
    assert (counts.in_queue, counts.in_progress, queue.take("w1")) == (0, 0, None)
    if lease:
        assert not queue.complete(lease, "late")


def test_a_time_to_live_can_be_changed_later(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, POLICY)
    queue.set_ttl("a", 20)
    queue.set_ttl("nobody", 20)
    watch.seconds = 20.0
    assert queue.find("a") is None


def test_a_longer_time_to_live_outlasts_the_first(queue: JobQueue, watch: Watch) -> None:
    queue.submit("a", {"k": 1}, Policy(600, ttl_s=10, retention_s=1_800))
    queue.set_ttl("a", 100)
    watch.seconds = 50.0
    assert queue.find("a") is not None


def test_results_are_kept_for_their_retention_and_no_longer(queue: JobQueue, watch: Watch) -> None:
    queue.submit("slow", {"k": 1}, Policy(600, 86_400, retention_s=1_800))
    queue.submit("sync", {"k": 1}, Policy(600, 86_400, retention_s=60))
    watch.seconds = 100.0
    for _ in range(2):
        lease = queue.take("w1")
        assert lease is not None
        queue.complete(lease, 1)
    watch.seconds = 159.0
    assert queue.find("sync") is not None
    watch.seconds = 160.0
    assert queue.find("sync") is None
    assert queue.retry("sync") is None
    watch.seconds = 1_899.0
    assert queue.find("slow") is not None
    watch.seconds = 1_900.0
    assert queue.find("slow") is None


def test_totals_outlive_the_jobs(queue: JobQueue, watch: Watch) -> None:
    for number in range(5):
        queue.submit(str(number), {"k": 1}, POLICY)
        lease = queue.take("w1")
        assert lease is not None
        queue.complete(lease, 1)
    watch.seconds = 1e6
    assert queue.find("0") is None
    assert queue.counts() == Counts(completed=5, executed=5)


def test_a_timeout_far_in_the_past_is_counted_before_the_job_is_forgotten(queue: JobQueue, watch: Watch) -> None:
    running_job(queue)
    watch.seconds = 1e6
    assert queue.find("a") is None
    assert queue.counts() == Counts(failed=1, executed=1)


def test_a_sweep_tells_those_who_wait(watch: Watch) -> None:
    ended: list[str] = []
    queue = JobQueue(watch, ended.append)
    running_job(queue)
    queue.submit("gone", {"k": 1}, Policy(600, ttl_s=10, retention_s=1_800))
    watch.seconds = 10.0
    queue.sweep()
    assert ended == ["gone"]
    watch.seconds = 600.0
    queue.sweep()
    assert ended == ["gone", "a"]
