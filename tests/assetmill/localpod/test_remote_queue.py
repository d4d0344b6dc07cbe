"""What the queue lets a worker say before the end: progress, pieces, and that it is gone."""

from __future__ import annotations

import pytest

from assetmill.localpod.queue import Counts, JobQueue, Lease, Policy, Status

POLICY = Policy(execution_timeout_s=600, ttl_s=86_400, retention_s=1_800)


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue(now=lambda: 0.0)


def taken(queue: JobQueue, *job_ids: str) -> Lease:
    for job_id in job_ids:
        queue.submit(job_id, {"n": 1}, POLICY)
    lease = queue.take("w1")
    assert lease is not None
    return lease


def test_nothing_of_a_lost_attempt_is_left_when_the_job_waits_again(queue: JobQueue) -> None:
    lease = taken(queue, "a")
    queue.progress(lease, "50 %")
    queue.stream(lease, "piece")
    assert queue.lose(lease)
    job = queue.find("a")
    assert job is not None
    assert (job.status, job.worker_id, job.output, job.chunks) == (Status.IN_QUEUE, None, None, ())
    assert queue.demand == 1
    assert queue.counts() == Counts(in_queue=1, retried=1, executed=1)


def test_an_overtaken_lease_says_nothing_any_more(queue: JobQueue) -> None:
    lease = taken(queue, "a")
    queue.cancel("a")
    assert not queue.progress(lease, "50 %")
    assert not queue.stream(lease, "piece")
    assert not queue.lose(lease)
    assert queue.counts() == Counts(cancelled=1, executed=1)


def test_progress_is_gone_when_the_job_ends_without_a_result(queue: JobQueue) -> None:
    lease = taken(queue, "a")
    queue.progress(lease, "100 %")
    queue.complete(lease, None)
    job = queue.find("a")
    assert job is not None
    assert job.output is None


def test_pieces_outlive_the_jobs_end_until_they_are_fetched(queue: JobQueue) -> None:
    lease = taken(queue, "a")
    queue.stream(lease, 1)
    queue.stream(lease, None)
    queue.complete(lease, [])
    assert queue.drain("a") == (1, None)
    assert queue.drain("a") == ()
    assert queue.drain("no such job") == ()


def test_a_lost_job_is_the_next_to_be_taken(queue: JobQueue) -> None:
    lease = taken(queue, "a", "b")
    queue.lose(lease)
    again = queue.take("w2")
    assert again is not None
    assert (again.job_id, again.attempt) == ("a", 2)
    assert not queue.complete(lease, "late")
