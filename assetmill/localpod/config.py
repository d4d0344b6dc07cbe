"""How the local endpoint behaves: every figure in one frozen place, with where the figure comes from.

The defaults are RunPod's published ones, so that a client that gets along here gets along there. Nothing is
read from the environment and nothing listens beyond this machine unless it is said in so many words.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from assetmill.errors import UsageError
from assetmill.localpod.faults import NO_FAULTS, Faults
from assetmill.localpod.gpus import LOCAL_GPU, Gpu
from assetmill.localpod.quotas import Quota

MIB = 1024 * 1024
DRAFT_ENDPOINT = "draft"
MANAGEMENT_QUOTAS = (Quota("minute", 600, 60), Quota("hour", 30_000, 3_600), Quota("day", 500_000, 86_400))
"""Ten times those of the example in RunPod's documentation: there one person's calls count, here many programs'."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one operation may be called.

    Args:
        calls: calls in one window.
        per_worker: further calls in one window for each running worker; the larger of both sums holds.
        concurrent: calls that may be open at the same time, None for any number.
    """

    calls: int
    per_worker: int = 0
    concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the endpoint refuses. Source: RunPod's operation reference, where not said otherwise.

    Args:
        run_body_bytes: largest body of `run`, 10 MiB.
        runsync_body_bytes: largest body of `runsync`, 20 MiB.
        result_bytes: largest result that a worker can hand over; a larger one is lost and the job
            still counts as completed (seen in reports about worker-comfyui, 20 MB).
        chunk_bytes: largest piece of a streamed result, 1 MB.
        window_s: length of a rate window.
        run: rate of `run`; and so on for the others. `status` covers `status-sync` too.
        queue_floor: a queue of this many jobs is always allowed.
        queue_per_worker: and of this many for each worker the endpoint may have (documented until 2025).
    """

    run_body_bytes: int = 10 * MIB
    runsync_body_bytes: int = 20 * MIB
    result_bytes: int = 20_000_000
    chunk_bytes: int = 1_000_000
    window_s: float = 10.0
    run: Rate = Rate(1000, per_worker=200, concurrent=200)
    runsync: Rate = Rate(2000, per_worker=400, concurrent=400)
    status: Rate = Rate(2000, per_worker=400, concurrent=400)
    stream: Rate = Rate(2000, per_worker=400, concurrent=400)
    cancel: Rate = Rate(100, per_worker=20, concurrent=20)
    purge: Rate = Rate(2)
    requests: Rate = Rate(10, concurrent=2)
    queue_floor: int = 50
    queue_per_worker: int = 500


@dataclass(frozen=True, slots=True)
class PodConfig:
    """One local endpoint.

    Args:
        endpoint_id: last part of its address; `draft` is kept for endpoints that draw placeholder art.
        api_key: bearer key that every call must carry; None lets everybody on this machine in.
        workers: most workers at once.
        host: address to listen on; a loopback one unless `allow_remote`.
        port: port to listen on; 0 takes a free one.
        gpus: GPU models; a new worker gets one of them by the clock's chance. LOCAL is in no catalogue, and free.
        gpu_count: GPUs of each worker.
        catalog: further models that the catalogue lists.
        disk_gb: container disk of each worker; billed beside its GPU.
        image_pull_s: what a new worker needs before it starts, which is not billed.
        cold_start_s: what a worker needs from its start to its first job.
        flashboot: a worker that has gone comes back under its own id instead of a new one, from a snapshot.
        resume_s: what such a worker needs in place of image pull and cold start.
        idle_timeout_s: an idle worker goes away after this long (RunPod's default is 5 s).
        exec_seconds: a job takes at least this long; for measurements of scheduling.
        gap_seconds: pause of a worker between two jobs. RunPod's own worker SDK has one of about 0.9 s.
        run_retention_s: results of `run` are kept this long after the job's end (30 minutes).
        runsync_retention_s: results of `runsync` are kept this long (1 minute).
        execution_timeout_s: for jobs whose policy says nothing (600 s).
        ttl_s: for jobs whose policy says nothing (24 h).
        limits: what is refused.
        remote_workers: jobs are carried out by other processes that ask for them (RunPod's own worker SDK does)
            instead of by threads of this one; `workers` is then how many of them may hold jobs at once, and
            `cold_start_s`, `idle_timeout_s`, `exec_seconds` and `gap_seconds` are theirs to have.
        worker_hold_s: a worker's request for a job stays open this long while there is none. The SDK gives up
            after 90 s; how long RunPod holds it is not published.
        worker_silence_s: a worker that has not been heard for this long is gone. Three heartbeats of the SDK,
            which sends one every 10 s if it is not told otherwise.
        management_quotas: how often the management API may be called.
        lists_requests: `requests` tells the jobs there are; 404 without. RunPod does not document it.
        faults: what goes wrong.
        faults_by_request: jobs and calls may ask for faults of their own.
        allow_remote: listen on an address that other machines can reach; needs a key.

    Raises:
        UsageError: the figures cannot be, or the address is reachable from outside.
    """

    endpoint_id: str = DRAFT_ENDPOINT
    api_key: str | None = field(default=None, repr=False)
    workers: int = 3
    host: str = "127.0.0.1"
    port: int = 0
    gpus: tuple[Gpu, ...] = (LOCAL_GPU,)
    gpu_count: int = 1
    catalog: tuple[Gpu, ...] = ()
    disk_gb: int = 0
    image_pull_s: float = 0.0
    cold_start_s: float = 0.0
    flashboot: bool = False
    resume_s: float = 0.0
    idle_timeout_s: float = 5.0
    exec_seconds: float = 0.0
    gap_seconds: float = 0.0
    run_retention_s: float = 1800.0
    runsync_retention_s: float = 60.0
    execution_timeout_s: float = 600.0
    ttl_s: float = 86_400.0
    limits: Limits = field(default_factory=Limits)
    remote_workers: bool = False
    worker_hold_s: float = 20.0
    worker_silence_s: float = 30.0
    management_quotas: tuple[Quota, ...] = MANAGEMENT_QUOTAS
    lists_requests: bool = True
    faults: Faults = NO_FAULTS
    faults_by_request: bool = False
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if not self.endpoint_id or not self.endpoint_id.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"endpoint id {self.endpoint_id!r} is no plain name", hint="letters, digits, - and _")
        if not 1 <= self.workers <= 100:  # noqa: PLR2004 - more threads than any machine draws with
            raise UsageError(f"{self.workers} workers cannot be", hint="1 to 100")
        if not 0 <= self.port <= 65_535:  # noqa: PLR2004 - TCP's own bound
            raise UsageError(f"port {self.port} cannot be", hint="0 takes a free one")
        waits = (self.image_pull_s, self.cold_start_s, self.resume_s, self.idle_timeout_s)
        if min(*waits, self.exec_seconds, self.gap_seconds) < 0:
            raise UsageError("a duration of the local endpoint is negative")
        if not self.gpus or self.gpu_count < 1 or self.disk_gb < 0:
            raise UsageError("a worker has one GPU model, at least one of it, and no less than no disk")
        if min(self.worker_hold_s, self.worker_silence_s) <= 0:
            raise UsageError("a worker must be held, and may be silent, for longer than no time")
        check_reach(self.host, locked=bool(self.api_key), allow_remote=self.allow_remote)

    @property
    def listed_gpus(self) -> tuple[Gpu, ...]:
        """What the catalogue lists: the endpoint's own models and the others, each once."""
        return tuple({gpu.id: gpu for gpu in (*self.catalog, *self.gpus) if gpu.pool is not None}.values())


def check_reach(host: str, *, locked: bool, allow_remote: bool) -> None:
    """Refuse to listen where other machines can reach us, unless that is meant and there is a key.

    Raises:
        UsageError: it is not meant, or there is none.
    """
    if _loopback(host):
        return
    if not allow_remote:
        raise UsageError(f"{host} can be reached from other machines", hint="listen on 127.0.0.1")
    if not locked:
        raise UsageError("an endpoint that other machines can reach needs a key")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
