"""What a RunPod endpoint with worker-comfyui says, read without trust.

Both output dialects are understood: `output.images[{filename, type, data}]` (worker 5 and later, base64 or
an S3 address) and `output.message` (before). Success is not what the status says but what came back:
partial validation leaves outputs out without a word, and a result over the size limit is COMPLETED with none.
Whatever JSON an answer holds, it becomes a value or an `AttemptError`, and no error repeats an address.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from assetmill.errors import (
    AttemptError,
    ExecutionFailed,
    InvalidImage,
    ResultInvalid,
    ResultTooLarge,
    WorkerFault,
    WrongCount,
)
from assetmill.providers.base import Job, JobRequest, JobState
from assetmill.providers.runpod.failures import MAX_DETAILS, class_of, failed, failure_of, words_of
from assetmill.providers.words import one_line

STATES = {
    "IN_QUEUE": JobState.QUEUED,
    "IN_PROGRESS": JobState.RUNNING,
    "RUNNING": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "TIMED_OUT": JobState.TIMED_OUT,
}
LONGEST_MS = 7 * 24 * 3600 * 1000  # RunPod lets no job live longer, so a greater figure is none
MAX_ID_CHARS = 64
WORKER_NOTE = "assetmill_worker"
"""What runpod-worker/start_prefetching.py adds to an answer: an object with `handler_ms`."""

PORTS = 65_536
SIMULATED = "simulated_uploaded/"  # worker-comfyui's answer with an S3 endpoint and no S3 keys: a path of its own


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One entry of `output.images`: bytes, or an address to fetch them from."""

    filename: str
    data: bytes | None = None
    url: str | None = None


def request_body(request: JobRequest) -> dict[str, Any]:
    """Body of POST /run. `assetmill_attempt` lets a job be recognised whose answer was lost."""
    images = [{"name": i.name, "image": base64.b64encode(i.data).decode("ascii")} for i in request.images]
    payload: dict[str, Any] = {"workflow": dict(request.graph), "assetmill_attempt": request.attempt_id}
    if images:
        payload["images"] = images
    policy: dict[str, Any] = {"executionTimeout": request.execution_timeout_ms, "ttl": request.ttl_ms}
    if request.low_priority:
        policy["lowPriority"] = True
    return {"input": payload, "policy": policy}


def to_job(body: Mapping[str, Any], job_id: str) -> Job:
    """A job from a status answer. A status that nobody knows counts as running.

    The times are those of the handler where the answer tells them: a worker that fetches ahead has a job from the
    moment on at which it fetched it, and `executionTime` counts from then; what the job waited there counts as delay.
    """
    status, worker = body.get("status"), body.get("workerId")
    raw = status if isinstance(status, str) else ""
    delay_ms, execution_ms, told = _times(body)
    return Job(
        id=job_id,
        state=STATES.get(raw, JobState.RUNNING),
        delay_ms=delay_ms,
        execution_ms=execution_ms,
        handler_told=told,
        worker_id=one_line(worker)[:MAX_ID_CHARS] or None if isinstance(worker, str) else None,
        error=body.get("error"),
        output=body.get("output"),
        raw_status=one_line(raw),
    )


def output_files(job: Job) -> tuple[OutputFile, ...]:
    """Files of a completed job, in the order of the answer.

    Raises:
        JobFailed: it did not complete, or completed with an error.
        ResultExpired: the endpoint does not know it.
        ResultTooLarge: it completed and there is no output.
        InvalidImage: an entry is neither base64 nor an address.
        ResultInvalid: the output has none of the known shapes.
    """
    if job.state is not JobState.COMPLETED:
        raise failure_of(job)
    output = job.output
    if output is None:
        raise ResultTooLarge(
            "completed without an output",
            job_id=job.id,
            hint="the result was over the size limit: ask for less, or use S3",
        )
    if isinstance(output, Mapping):
        if output.get("error"):
            raise failed(words_of(output["error"], output), job.id)
        if isinstance(output.get("images"), list):
            return tuple(_file(entry, job.id) for entry in output["images"])
        if isinstance(output.get("message"), str):
            return (_content("", output["message"], job.id),)
    raise ResultInvalid(
        f"output of an unknown shape ({type(output).__name__})",
        job_id=job.id,
        hint="the endpoint's worker is no worker-comfyui that is known here",
    )


def output_notes(job: Job) -> tuple[str, ...]:
    """Problems that the worker reported beside its images."""
    errors = job.output.get("errors") if isinstance(job.output, Mapping) else None
    told = errors if isinstance(errors, list) else [errors]
    return tuple(note for error in told[:MAX_DETAILS] if (note := one_line(error)))


def outputs_missing(job: Job, missing: Sequence[str], expected: int) -> AttemptError:
    """The error of a completed job that lacks outputs.

    Returns:
        `WorkerFault` or `ExecutionFailed` where the worker's notes tell one, else `WrongCount`: ComfyUI drops an
        output whose node does not validate without a word.
    """
    notes = output_notes(job)
    kind = class_of("", notes)
    wrong = kind if kind in (WorkerFault, ExecutionFailed) else WrongCount
    told = f" ({one_line('; '.join(notes))})" if notes else ""
    return wrong(
        f"{len(missing)} of {expected} outputs are missing: {', '.join(missing)}{told}",
        job_id=job.id,
        hint="a node of the graph failed, or does not validate at this endpoint: assetmill workflows lint",
    )


def is_draft(job: Job) -> bool:
    """Whether a draft worker answered."""
    return isinstance(job.output, Mapping) and job.output.get("draft") is True


def _file(entry: Any, job_id: str) -> OutputFile:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("data"), str):
        raise InvalidImage("an output entry without data", job_id=job_id)
    name = entry.get("filename")
    return _content(name if isinstance(name, str) else "", entry["data"], job_id)


def _content(filename: str, data: str, job_id: str) -> OutputFile:
    if data[:8].lower().startswith(("https://", "http://")):
        return OutputFile(filename, url=_address(filename, data, job_id))
    if data.startswith(SIMULATED):
        raise ResultInvalid(
            "the worker kept its picture: it has an S3 endpoint and no S3 keys",
            job_id=job_id,
            hint="set BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY at the endpoint, or no BUCKET_ENDPOINT_URL",
        )
    text = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return OutputFile(filename, data=base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        raise InvalidImage(f"output {_named(filename)} is neither base64 nor an address", job_id=job_id) from None


def _address(filename: str, data: str, job_id: str) -> str:
    """The address as it came, if anything can be asked of it; it is never repeated in an error."""
    try:
        url = httpx.URL(data)
        sound = bool(url.host) and (url.port is None or 0 < url.port < PORTS)
    except (httpx.InvalidURL, ValueError):
        sound = False
    if not sound:
        raise InvalidImage(f"output {_named(filename)} has an address that is none", job_id=job_id)
    return data


def _named(filename: str) -> str:
    return one_line(filename)[:100] or "?"


def _times(body: Mapping[str, Any]) -> tuple[int | None, int | None, bool]:
    """Delay and execution in milliseconds, together what the endpoint says; and whether the handler told the second."""
    delay_ms, execution_ms = _whole(body.get("delayTime")), _whole(body.get("executionTime"))
    output = body.get("output")
    note = output.get(WORKER_NOTE) if isinstance(output, Mapping) else None
    own_ms = _whole(note.get("handler_ms")) if isinstance(note, Mapping) else None
    if execution_ms is None or own_ms is None or own_ms >= execution_ms:
        return delay_ms, execution_ms, own_ms is not None
    return None if delay_ms is None else delay_ms + execution_ms - own_ms, own_ms, True


def _whole(value: Any) -> int | None:
    """A count of milliseconds, or None for anything else (numbers may come as floats)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_MS:
        return None
    return int(value)
