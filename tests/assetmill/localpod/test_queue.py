"""The queue's states, without time going by."""

from __future__ import annotations

import pytest

from assetmill.errors import RequestRejected
from assetmill.localpod.queue import Counts, Job, JobQueue, Lease, Policy, Status

POLICY = Policy(execution_timeout_s=600, ttl_s=86_400, retention_s=1_800)


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue(now=lambda: 0.0)


def put(queue: JobQueue, job_id: str, policy: Policy = POLICY) -> Job:
    return queue.submit(job_id, {"prompt": job_id}, policy)


def taken(queue: JobQueue, worker_id: str = "w1") -> Lease:
    lease = queue.take(worker_id)
    assert lease is not None
    return lease


def status_of(queue: JobQueue, job_id: str) -> Status | None:
    job = queue.find(job_id)
    return job.status if job else None


def test_jobs_are_taken_in_the_order_they_came(queue: JobQueue) -> None:
    for name in ("a", "b", "c"):
        put(queue, name)
    assert [taken(queue).job_id for _ in range(3)] == ["a", "b", "c"]
    assert queue.take("w1") is None


def test_a_job_goes_from_queue_to_worker_to_result(queue: JobQueue) -> None:
    assert put(queue, "a").status is Status.IN_QUEUE
    lease = taken(queue, "w7")
    assert lease.input == {"prompt": "a"}
    running = queue.find("a")
    assert running is not None
    assert (running.status, running.worker_id) == (Status.IN_PROGRESS, "w7")
    assert queue.complete(lease, {"images": []})
    done = queue.find("a")
    assert done is not None
    assert (done.status, done.output, done.error) == (Status.COMPLETED, {"images": []}, None)


def test_a_failure_keeps_what_the_worker_said_beside_it(queue: JobQueue) -> None:
    put(queue, "a")
    assert queue.fail(taken(queue), "Job processing failed", {"details": ["node 20"]})
    job = queue.find("a")
    assert job is not None
    assert (job.status, job.error, job.output) == (Status.FAILED, "Job processing failed", {"details": ["node 20"]})


def test_a_lease_can_be_used_once(queue: JobQueue) -> None:
    put(queue, "a")
    lease = taken(queue)
    assert queue.complete(lease, 1)
    assert not queue.complete(lease, 2)
    assert not queue.fail(lease, "late")
    assert queue.counts() == Counts(completed=1, executed=1)


def test_a_cancelled_waiting_job_is_never_taken(queue: JobQueue) -> None:
    put(queue, "a")
    put(queue, "b")
    cancelled = queue.cancel("a")
    assert cancelled is not None
    assert cancelled.status is Status.CANCELLED
    assert taken(queue).job_id == "b"


def test_the_result_of_a_cancelled_running_job_is_dropped(queue: JobQueue) -> None:
    put(queue, "a")
    lease = taken(queue)
    queue.cancel("a")
    assert not queue.complete(lease, {"images": ["late"]})
    job = queue.find("a")
    assert job is not None
    assert (job.status, job.output) == (Status.CANCELLED, None)
    assert queue.counts() == Counts(cancelled=1, executed=1)


def test_cancelling_a_job_that_has_ended_changes_nothing(queue: JobQueue) -> None:
    put(queue, "a")
    queue.complete(taken(queue), 1)
    job = queue.cancel("a")
    assert job is not None
    assert job.status is Status.COMPLETED


def test_unknown_ids_are_none(queue: JobQueue) -> None:
    assert (queue.find("x"), queue.cancel("x"), queue.retry("x")) == (None, None, None)


def test_a_failed_job_is_retried_under_its_id_with_its_input(queue: JobQueue) -> None:
    put(queue, "a")
    queue.fail(taken(queue), "boom", {"details": []})
    job = queue.retry("a")
    assert job is not None
    assert (job.id, job.status, job.error, job.output, job.worker_id) == ("a", Status.IN_QUEUE, None, None, None)
    again = taken(queue)
    assert (again.input, again.attempt) == ({"prompt": "a"}, 2)
    assert queue.complete(again, 1)
    assert queue.counts() == Counts(completed=1, failed=1, retried=1, executed=2)


@pytest.mark.parametrize("ended", ("waiting", "running", "completed", "cancelled"))
def test_only_failed_jobs_can_be_retried(queue: JobQueue, ended: str) -> None:
    put(queue, "a")
    if ended != "waiting":
        lease = taken(queue)
    if ended == "completed":
        queue.complete(lease, 1)
    if ended == "cancelled":
        queue.cancel("a")
    with pytest.raises(RequestRejected, match="only FAILED and TIMED_OUT"):
        queue.retry("a")


def test_purge_takes_what_waits_and_leaves_what_runs(queue: JobQueue) -> None:
    for name in ("a", "b", "c"):
        put(queue, name)
    lease = taken(queue)
    assert queue.purge() == 2
    assert queue.purge() == 0
    assert [status_of(queue, name) for name in ("b", "c")] == [Status.CANCELLED] * 2
    assert queue.complete(lease, 1)


def test_counts_show_where_jobs_stand(queue: JobQueue) -> None:
    for name in ("a", "b", "c", "d"):
        put(queue, name)
    queue.complete(taken(queue), 1)
    queue.fail(taken(queue), "boom")
    taken(queue)
    assert queue.counts() == Counts(completed=1, failed=1, in_progress=1, in_queue=1, executed=3)


def test_the_most_that_ever_were_outstanding_is_remembered(queue: JobQueue) -> None:
    assert queue.most_outstanding == 0
    for name in ("a", "b", "c"):
        put(queue, name)
    first = taken(queue)
    queue.cancel("c")
    put(queue, "d")
    assert queue.most_outstanding == 3
    assert queue.lose(first)
    assert queue.most_outstanding == 3
    put(queue, "e")
    queue.purge()
    assert (queue.most_outstanding, queue.counts().in_queue) == (4, 0)


def test_low_priority_jobs_are_taken_but_ask_for_no_worker(queue: JobQueue) -> None:
    put(queue, "low", Policy(600, 86_400, 1_800, low_priority=True))
    put(queue, "plain")
    assert queue.demand == 1
    assert taken(queue).job_id == "low"
    assert queue.demand == 1
    assert taken(queue).job_id == "plain"
    assert queue.demand == 0


def test_everybody_who_waits_hears_of_every_end() -> None:
    ended: list[str] = []
    queue = JobQueue(now=lambda: 0.0, on_end=ended.append)
    for name in ("done", "failed", "running", "waiting"):
        put(queue, name)
    queue.complete(taken(queue), 1)
    queue.fail(taken(queue), "boom")
    taken(queue)
    assert ended == ["done", "failed"]
    queue.cancel("running")
    queue.purge()
    assert ended == ["done", "failed", "running", "waiting"]


def test_an_input_is_kept_only_while_the_job_can_run_again(queue: JobQueue) -> None:
    put(queue, "good")
    put(queue, "bad")
    queue.complete(taken(queue), 1)
    queue.fail(taken(queue), "boom")
    good, bad = queue.find("good"), queue.find("bad")
    assert good is not None
    assert bad is not None
    assert (good.input, bad.input) == (None, {"prompt": "bad"})
