"""The bodies that travel: RunPod's JSON for a job sent in, and for a job as it stands.

Reading is strict where a mistake would cost the sender money (a misspelt timeout unit) and lenient where RunPod
is: top-level keys that nobody knows are ignored, `webhook` and `s3Config` among them. It never echoes an input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NoReturn

from assetmill.errors import RequestRejected
from assetmill.localpod.config import PodConfig
from assetmill.localpod.queue import Counts, Job, Policy
from assetmill.localpod.workers import Census

WEEK_MS: Final = 604_800_000
EXECUTION_TIMEOUT_MS: Final = (5_000, WEEK_MS)
TTL_MS: Final = (10_000, WEEK_MS)


@dataclass(frozen=True, slots=True)
class Submission:
    """A job body that can be queued."""

    input: Mapping[str, Any]
    policy: Policy


def read_submission(body: bytes, config: PodConfig, retention_s: float) -> Submission:
    """Read the body of `run` or `runsync`.

    Args:
        body: JSON, not larger than allowed.
        config: defaults for a policy that says nothing.
        retention_s: how long the result is kept; it depends on the operation.

    Raises:
        RequestRejected: no JSON, no object, no `input` object, or a policy out of RunPod's bounds.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        raise RequestRejected("body must be a JSON object")
    if not isinstance(document.get("input"), dict):
        raise RequestRejected("input must be a JSON object" if "input" in document else "body has no input")
    policy = document.get("policy")
    if not isinstance(policy, dict | None):
        raise RequestRejected("policy must be a JSON object")
    return Submission(document["input"], _policy(policy or {}, config, retention_s))


def job_body(job: Job) -> dict[str, Any]:
    """A job as `status` tells it; keys that have no value yet are left out."""
    body = {
        "id": job.id,
        "status": job.status.value,
        "delayTime": job.delay_ms,
        "workerId": job.worker_id,
        "executionTime": job.execution_ms,
        "output": job.output,
        "error": job.error,
    }
    return {key: value for key, value in body.items() if value is not None}


def short_body(job: Job) -> dict[str, Any]:
    """A job as `run`, `cancel` and `retry` tell it."""
    return {"id": job.id, "status": job.status.value}


def health_body(counts: Counts, census: Census, told: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The endpoint as `health` tells it; no local worker is ever throttled unless `told` says so in their place."""
    jobs = {
        "completed": counts.completed,
        "failed": counts.failed,
        "inProgress": counts.in_progress,
        "inQueue": counts.in_queue,
        "retried": counts.retried,
    }
    workers = {**asdict(census), "ready": census.idle, "throttled": 0}
    return {"jobs": jobs, "workers": workers if told is None else dict.fromkeys(workers, 0) | dict(told)}


def read_ttl(text: str) -> float:
    """Seconds out of a `ttl` query in milliseconds.

    Raises:
        RequestRejected: no whole number, or out of bounds.
    """
    return _milliseconds("ttl", _whole("ttl", text), TTL_MS) / 1000


def read_wait(text: str | None, bounds_ms: tuple[int, int], default_ms: int) -> float:
    """Seconds out of a `wait` query in milliseconds; values out of bounds are moved to the bound.

    Raises:
        RequestRejected: no whole number.
    """
    wait_ms = default_ms if text is None else _whole("wait", text)
    return min(max(wait_ms, bounds_ms[0]), bounds_ms[1]) / 1000


def parse_json(body: bytes) -> Any:
    """Read a body.

    Raises:
        RequestRejected: it is no JSON; NaN and infinities are none.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RequestRejected(f"body is no JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _policy(given: Mapping[str, Any], config: PodConfig, retention_s: float) -> Policy:
    execution_ms = given.get("executionTimeout")
    ttl_ms = given.get("ttl")
    return Policy(
        config.execution_timeout_s
        if execution_ms is None
        else _milliseconds("policy.executionTimeout", execution_ms, EXECUTION_TIMEOUT_MS) / 1000,
        config.ttl_s if ttl_ms is None else _milliseconds("policy.ttl", ttl_ms, TTL_MS) / 1000,
        retention_s,
        low_priority=given.get("lowPriority") is True,
    )


def _milliseconds(name: str, value: Any, bounds: tuple[int, int]) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestRejected(f"{name} must be a whole number of milliseconds")
    if not bounds[0] <= value <= bounds[1]:
        raise RequestRejected(f"{name} must be {bounds[0]} to {bounds[1]} ms, not {value}")
    return value


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):  # noqa: PLR2004 - enough for a week in ms
        raise RequestRejected(f"{name} must be a whole number of milliseconds")
    return int(text)
