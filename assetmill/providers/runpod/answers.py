"""What a RunPod endpoint with worker-comfyui says, read without trust.

Both output dialects are understood: `output.images[{filename, type, data}]` (worker 5 and later, base64 or
an S3 address) and `output.message` (before). Success is not what the status says but what came back:
partial validation leaves outputs out without a word, and a result over the size limit is COMPLETED with none.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assetmill.errors import JobFailed, ResultInvalid, ResultLost
from assetmill.providers.base import Job, JobRequest, JobState

STATES = {
    "IN_QUEUE": JobState.QUEUED,
    "IN_PROGRESS": JobState.RUNNING,
    "RUNNING": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "TIMED_OUT": JobState.TIMED_OUT,
}
# The worker's own words for errors that the same request would meet again.
FINAL = re.compile(
    r"Workflow validation failed|does not exist|custom node may not be installed|Missing 'workflow' parameter"
    r"|must be a list of objects|Please provide input|Invalid JSON format|Failed to upload|invalid_prompt",
    re.IGNORECASE,
)
MAX_ERROR_CHARS = 600


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
    policy = {"executionTimeout": request.execution_timeout_ms, "ttl": request.ttl_ms}
    return {"input": payload, "policy": policy}


def to_job(body: Mapping[str, Any], job_id: str) -> Job:
    """A job from a status answer. A status that nobody knows counts as running."""
    raw = str(body.get("status", ""))
    return Job(
        id=str(body.get("id") or job_id),
        state=STATES.get(raw, JobState.RUNNING),
        delay_ms=_whole(body.get("delayTime")),
        execution_ms=_whole(body.get("executionTime")),
        worker_id=str(body["workerId"]) if body.get("workerId") else None,
        error=body.get("error"),
        output=body.get("output"),
        raw_status=raw,
    )


def output_files(job: Job) -> tuple[OutputFile, ...]:
    """Files of a completed job, in the order of the answer.

    Raises:
        JobFailed: it did not complete.
        ResultLost: it completed and there is no output.
        ResultInvalid: the output has none of the known shapes.
    """
    _raise_unless_completed(job)
    output = job.output
    if output is None:
        raise ResultLost(
            "completed without an output",
            job_id=job.id,
            hint="the result was over the size limit: ask for less, or use S3",
        )
    if isinstance(output, Mapping):
        if output.get("error"):
            raise JobFailed(error_text(output["error"]), final=is_final(str(output["error"])), job_id=job.id)
        if isinstance(output.get("images"), list):
            return tuple(_file(entry, job.id) for entry in output["images"])
        if isinstance(output.get("message"), str):
            return (_content("", output["message"], job.id),)
    raise ResultInvalid(f"output of an unknown shape ({type(output).__name__})", job_id=job.id)


def output_notes(job: Job) -> tuple[str, ...]:
    """Problems that the worker reported beside its images."""
    errors = job.output.get("errors") if isinstance(job.output, Mapping) else None
    return tuple(error_text(e) for e in errors) if isinstance(errors, list) else ()


def is_draft(job: Job) -> bool:
    """Whether a draft worker answered."""
    return isinstance(job.output, Mapping) and job.output.get("draft") is True


def is_final(text: str) -> bool:
    """Whether the same request would fail the same way."""
    return FINAL.search(text) is not None


def error_text(error: Any) -> str:
    """A worker's error in one line: the message of the SDK's JSON string, or the text as it is."""
    if isinstance(error, str):
        try:
            parsed = json.loads(error)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict) and parsed.get("error_message"):
            error = parsed["error_message"]
    text = " ".join(str(error).split())
    return text[:MAX_ERROR_CHARS] + ("…" if len(text) > MAX_ERROR_CHARS else "")


def _raise_unless_completed(job: Job) -> None:
    if job.state is JobState.COMPLETED:
        return
    if job.state is JobState.FAILED:
        details = job.output.get("details") if isinstance(job.output, Mapping) else None
        told = details if isinstance(details, list) else (details,)
        text = "; ".join(error_text(part) for part in (job.error, *told) if part) or "no reason given"
        raise JobFailed(text, final=is_final(text), job_id=job.id)
    if job.state is JobState.TIMED_OUT:
        raise JobFailed("the job timed out", final=False, job_id=job.id, hint="raise ASSETMILL_EXECUTION_TIMEOUT_S")
    raise JobFailed(f"the job ended as {job.raw_status or job.state}", final=False, job_id=job.id)


def _file(entry: Any, job_id: str) -> OutputFile:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("data"), str):
        raise ResultInvalid("an output entry without data", job_id=job_id)
    return _content(str(entry.get("filename", "")), entry["data"], job_id)


def _content(filename: str, data: str, job_id: str) -> OutputFile:
    if data.startswith(("https://", "http://")):
        return OutputFile(filename, url=data)
    text = data.partition(",")[2] if data.startswith("data:") else data
    try:
        return OutputFile(filename, data=base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise ResultInvalid(f"output {filename or '?'} is neither base64 nor an address", job_id=job_id) from None


def _whole(value: Any) -> int | None:
    """A count of milliseconds, or None for anything else (numbers may come as floats)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0:  # noqa: PLR0124  NaN
        return None
    return int(min(value, 2**53))
