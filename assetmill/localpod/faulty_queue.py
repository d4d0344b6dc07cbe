"""A queue whose jobs meet RunPod's misfortunes: stuck, vanished, run twice, failed by a dead ComfyUI, forgotten.

It stands where the plain queue stands, so the faults hit jobs of workers in this process and of workers outside
alike. It is only made when there are faults; the plain queue knows nothing of them. It keeps the plain queue's
promises: a lease that was overtaken is worth nothing, and `executions` holds every time a worker took a job.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from assetmill.localpod.config import PodConfig
from assetmill.localpod.faults import Kind, Rule, Stage
from assetmill.localpod.faulty_results import can_spoil, spoilt
from assetmill.localpod.injector import Injector
from assetmill.localpod.jobs import Job, Lease, Policy, Script, Status
from assetmill.localpod.queue import JobQueue

NOT_REACHABLE: Final = "ComfyUI server (127.0.0.1:8188) not reachable after multiple retries."
DIED_MID_JOB: Final = "WebSocket communication error: ComfyUI HTTP unreachable during websocket reconnect"
FAILED: Final = "Job processing failed"
NODE_RAISED: Final = (
    "Workflow execution error: Node Type: BiRefNetRMBG, Node ID: 20, Message: Error in image processing: 'mask_blur'\n"
)
NOT_VALID: Final = (
    "Workflow validation failed:\n• Node 4 (errors): [{'type': 'value_not_in_list', 'message': 'Value not in list', "
    "'details': \"ckpt_name: 'missing.safetensors' not in ['flux1-dev-fp8.safetensors']\"}]\n"
    "• Node 4 (dependent_outputs): ['9']\n• Node 4 (class_type): CheckpointLoaderSimple\n\n"
    "Available checkpoint models: flux1-dev-fp8.safetensors"
)
PROGRESS: Final[Mapping[str, Any]] = MappingProxyType({"progress": 100})


class FaultyQueue(JobQueue):
    """All jobs of one endpoint, some of them unlucky.

    Args:
        now: seconds that never jump.
        on_end: as the plain queue's; also told when a worker has lost its job.
        injector: who is hit.
        config: how long a job lasts that is not run.
    """

    def __init__(
        self, now: Callable[[], float], on_end: Callable[[str], None], injector: Injector, config: PodConfig
    ) -> None:
        super().__init__(now, on_end)
        self._injector = injector
        self._config = config
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._stuck: dict[str, Rule] = {}
        self._young: dict[str, float] = {}
        self._late: dict[str, float] = {}
        self._warm: set[str] = set()
        self._poisoned: dict[str, float] = {}
        self._scripts: dict[tuple[str, int], Script] = {}
        self._freed = False

    def submit(self, job_id: str, job_input: Mapping[str, Any], policy: Policy) -> Job:
        """Queue a new job, and decide what becomes of it before a worker has it."""
        job = super().submit(job_id, job_input, policy)
        rule = self._injector.draw(Stage.SUBMIT, self._injector.subject(job))
        if rule is not None:
            self._befall(rule, job)
        elif self._injector.faults.max_workers == 0:
            self._hold(job.id, Rule(Kind.STUCK_QUEUE))
        self._sweep()
        return self._jobs.get(job_id, job)

    def take(self, worker_id: str) -> Lease | None:
        """Give a job to a worker, with a script if it is not to run it."""
        lease = super().take(worker_id)
        if lease is None:
            return None
        script = self._script(lease)
        self._warm.add(worker_id)
        if script is None:
            return lease
        self._scripts[lease.job_id, lease.attempt] = script
        return replace(lease, script=script)

    def complete(self, lease: Lease, output: Any) -> bool:
        """Hand a result in, as the faults leave it."""
        script = self._scripts.pop((lease.job_id, lease.attempt), None)
        if script is not None:
            return self._play(lease, script)
        self._sweep()
        job = self._held(lease)
        if job is None:
            return False
        subject = self._injector.subject(job, lease.worker_id)
        rule = self._injector.draw(Stage.RESULT, subject, lambda rule: can_spoil(rule, output))
        if rule is not None:
            self._injector.note(rule.kind, job.id)
            output = spoilt(rule, output)
        return super().complete(lease, output)

    def fail(self, lease: Lease, error: Any, output: Any = None) -> bool:
        """Hand a failure in; a script has the last word."""
        script = self._scripts.pop((lease.job_id, lease.attempt), None)
        return super().fail(lease, error, output) if script is None else self._play(lease, script)

    def find(self, job_id: str) -> Job | None:
        """The job as the client sees it: one with late progress has not ended."""
        job = super().find(job_id)
        return None if job is None else self._shown(job)

    def jobs(self) -> tuple[Job, ...]:
        """Every job as the client sees it, the newest first."""
        return tuple(self._shown(job) for job in super().jobs())

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job that has not ended, as far as the client can see."""
        job = self.find(job_id)
        if job is None or self._late.pop(job_id, None) is None:
            return super().cancel(job_id)
        cancelled = replace(self._jobs[job_id], status=Status.CANCELLED, output=None)
        self._store(cancelled)
        self._on_end(job_id)
        return cancelled

    def young(self, job_id: str) -> bool:
        """Whether this job has not spread through the platform yet, so that calls for it find nothing."""
        young = self._now() < self._young.get(job_id, 0.0)
        if young:
            self._injector.note(Kind.NOT_YET, job_id)
        return young

    def freed(self) -> bool:
        """Whether, since this was last asked, a job has come back into the queue by itself."""
        freed, self._freed = self._freed, False
        return freed

    @property
    def demand(self) -> int:
        """Waiting jobs that may make the endpoint start a worker; stuck ones do not."""
        demand = super().demand
        return demand - sum(not self._jobs[job_id].policy.low_priority for job_id in self._stuck)

    @property
    def census(self) -> Mapping[str, int] | None:
        """Workers by state as they are to be told, None for those that there are."""
        self._sweep()
        told = (rule.census for rule in self._stuck.values() if rule.census is not None)
        return next(told, self._injector.faults.census)

    @property
    def max_workers(self) -> int | None:
        """Most workers as they are to be told, None for the real figure."""
        self._sweep()
        told = (rule.max_workers for rule in self._stuck.values() if rule.max_workers is not None)
        return next(told, self._injector.faults.max_workers)

    def _befall(self, rule: Rule, job: Job) -> None:
        match rule.kind:
            case Kind.NOT_YET:
                self._young[job.id] = self._now() + (rule.seconds or 0)
            case Kind.STUCK_QUEUE:
                self._injector.note(rule.kind, job.id)
                self._hold(job.id, rule)
                if rule.seconds is not None:
                    self._later(rule.seconds, lambda: self._free(job.id))
            case Kind.VANISH:
                self._hold(job.id, rule)
                self._later(rule.seconds, lambda: self._vanish(job.id))
            case Kind.CANCELLED_ELSEWHERE:
                self._later(rule.seconds, lambda: self._cancel_elsewhere(job.id))
            case _:
                self._later(rule.seconds, self._purge_elsewhere)

    def _script(self, lease: Lease) -> Script | None:
        job, worker_id = self._jobs[lease.job_id], lease.worker_id
        if self._now() < self._poisoned.get(worker_id, 0.0):
            self._injector.note(Kind.POISONED_WORKER, job.id)
            return Script(0.0, {"error": NOT_REACHABLE})
        cold = worker_id not in self._warm
        rule = self._injector.draw(
            Stage.TAKE,
            self._injector.subject(job, worker_id),
            lambda rule: cold or rule.kind is not Kind.STARTUP_FAILURE,
        )
        if rule is None:
            return None
        self._injector.note(rule.kind, job.id)
        return self._scripted(rule, lease)

    def _scripted(self, rule: Rule, lease: Lease) -> Script:
        match rule.kind:
            case Kind.POISONED_WORKER:
                until = self._now() + (math.inf if rule.seconds is None else rule.seconds)
                self._poisoned[lease.worker_id] = until
                return Script(0.0, {"error": DIED_MID_JOB})
            case Kind.WORKER_DIES:
                if rule.seconds is not None:
                    self._later(rule.seconds, lambda: self._time_out(lease))
                return Script(rule.seconds or 0.0)
            case Kind.DUPLICATE_EXECUTION:
                self._later(rule.seconds, lambda: self._take_back(lease))
                return Script(rule.seconds or 0.0)
            case Kind.STARTUP_FAILURE:
                return Script(rule.seconds or 0.0, {"error": rule.words or NOT_REACHABLE})
            case Kind.VALIDATION_ERROR:
                return Script(rule.seconds or 0.0, {"error": rule.words or NOT_VALID})
            case _:
                lasts_s = self._config.exec_seconds if rule.seconds is None else rule.seconds
                return Script(lasts_s, {"error": FAILED, "details": [rule.words or NODE_RAISED]})

    def _play(self, lease: Lease, script: Script) -> bool:
        """Hand in what the script says, whatever the worker did; nothing when the worker is gone."""
        if script.answer is None:
            return False
        output = {key: value for key, value in script.answer.items() if key != "error"}
        return super().fail(lease, script.answer["error"], output or None)

    def _end(self, job: Job, status: Status, at_s: float, *, output: Any = None, error: Any = None) -> Job:
        ended = super()._end(job, status, at_s, output=output, error=error)
        if status is Status.CANCELLED:
            return ended
        subject = self._injector.subject(ended, ended.worker_id or "")
        done = status is Status.COMPLETED
        rule = self._injector.draw(Stage.END, subject, lambda rule: done or rule.kind is Kind.EXPIRY)
        if rule is None:
            return ended
        self._injector.note(rule.kind, job.id)
        if rule.kind is Kind.EXPIRY:
            ended = replace(ended, policy=replace(ended.policy, retention_s=rule.seconds or 0.0))
            self._store(ended)
        else:
            self._late[job.id] = at_s + (math.inf if rule.seconds is None else rule.seconds)
            self._later(rule.seconds, lambda: self._on_end(job.id))
        return ended

    def _shown(self, job: Job) -> Job:
        if self._now() >= self._late.get(job.id, 0.0):
            return job
        return replace(job, status=Status.IN_PROGRESS, output=dict(PROGRESS), finished_s=None)

    def _hold(self, job_id: str, rule: Rule) -> None:
        self._stuck[job_id] = rule

    def _free(self, job_id: str) -> None:
        self._freed |= self._stuck.pop(job_id, None) is not None

    def _vanish(self, job_id: str) -> None:
        job = self._jobs.get(job_id)
        if job is not None and job.status is Status.IN_QUEUE:
            self._injector.note(Kind.VANISH, job_id)
            self._delete(job)

    def _cancel_elsewhere(self, job_id: str) -> None:
        job = self._jobs.get(job_id)
        if job is not None and not job.status.terminal:
            self._injector.note(Kind.CANCELLED_ELSEWHERE, job_id)
            super().cancel(job_id)

    def _purge_elsewhere(self) -> None:
        for job_id in self._waiting:
            self._injector.note(Kind.PURGE, job_id)
        self.purge()

    def _time_out(self, lease: Lease) -> None:
        job = self._held(lease)
        if job is not None:
            self._end(job, Status.TIMED_OUT, self._now(), error="job timed out: its worker is gone")

    def _take_back(self, lease: Lease) -> None:
        if self._held(lease) is not None:
            self._on_end(lease.job_id)  # whoever keeps account of the workers' jobs has to let go of it
            self.lose(lease)
            self._freed = True

    def _later(self, seconds: float | None, act: Callable[[], None]) -> None:
        if seconds is not None:
            heapq.heappush(self._agenda, (self._now() + seconds, next(self._order), act))

    def _sweep(self) -> float:
        now = super()._sweep()
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()
        return now

    def _oldest_waiting(self) -> str | None:
        return next((job_id for job_id in self._waiting if job_id not in self._stuck), None)

    def _dequeue(self, job_id: str) -> Job:
        self._stuck.pop(job_id, None)
        return super()._dequeue(job_id)

    def _delete(self, job: Job) -> None:
        self._young.pop(job.id, None)
        self._late.pop(job.id, None)
        super()._delete(job)
