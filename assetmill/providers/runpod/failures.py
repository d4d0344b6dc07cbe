"""Whose fault a failed job was, read from the worker's own words.

worker-comfyui reports every failure as one sentence and, at best, a list of details; the class that is read
from them decides whether the same request is paid for again. The words are those of worker-comfyui 5.0 to 5.8,
as recorded from the real worker. Words that nobody knows are a plain `JobFailed`: never guess.

A worker's words are not trusted further than that: any JSON may stand in their place, and what is repeated of
them holds no address (they may be signed), no image data and no control characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assetmill.errors import (
    AttemptError,
    CancelledElsewhere,
    ExecutionFailed,
    JobFailed,
    ResultExpired,
    StartupFailed,
    TimedOut,
    ValidationFailed,
    WorkerFault,
)
from assetmill.providers.base import Job, JobState
from assetmill.providers.words import one_line, plain_text

MAX_DETAILS = 20
_READ_CHARS = 20_000  # of each sentence; the telling words stand at its beginning

# ComfyUI never answered the worker; the same words, at once, when its process is known to be dead.
_STARTUP = re.compile(r"not reachable after multiple retries", re.IGNORECASE)
# The worker, or ComfyUI's validation, refused the input before anything ran.
_REFUSED = re.compile(
    r"Workflow validation failed|ComfyUI validation failed|\. Raw response: |:\s+• Node |Cannot execute because node"
    r"|custom node may not be installed|required model or parameter is not available|Missing 'workflow' parameter"
    r"|must be a list of objects|Please provide input|Invalid JSON format|invalid_prompt",
    re.IGNORECASE,
)
# ComfyUI was asked over HTTP and refused, unless it was not there to ask: then `_GONE` stands beside it.
_ASKED = re.compile(r"Failed to upload one or more input images|Error queuing workflow:", re.IGNORECASE)
_GPU = re.compile(
    r"CUDA (?:error|out of memory|driver|failure|kernel)|CUDA-capable|no CUDA GPUs|compiled with CUDA"
    r"|CUDNN_STATUS|cuDNN error|CUBLAS_STATUS|HIP error|device-side assert|NVIDIA driver"
    r"|out of memory|OutOfMemory|Allocation on device|MemoryError|cannot allocate memory|No space left on device",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"WebSocket communication error|HTTP communication error|process has exited|Connection refused"
    r"|Connection reset|Connection aborted|Max retries exceeded|Broken pipe|Timeout uploading|Read timed out",
    re.IGNORECASE,
)
_NODE = re.compile(r"Workflow execution error: Node Type", re.IGNORECASE)
_TO_S3 = re.compile(r"^Error uploading .* to S3:", re.IGNORECASE)
_NEVER_HEARD = re.compile(r"\s*Job ID not found\s*", re.IGNORECASE)


_HINTS: Mapping[type[JobFailed], str] = {
    StartupFailed: "read the worker's log; images before worker-comfyui 5.8.3 give ComfyUI only 25 s to come up",
    WorkerFault: "read the worker's log; if memory ran out, ask for a smaller size or a larger GPU",
    ExecutionFailed: "the same request would fail again: mend the graph or its parameters",
    ValidationFailed: "the worker lacks a node or a model, or refuses a value: assetmill workflows lint",
    JobFailed: "the worker's log may tell more",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What a worker said of a failure.

    Args:
        headline: its error, with the class of the exception where the SDK names one.
        details: the sentences beside it.
        shown: all of it on one line, fit to be repeated.
    """

    headline: str
    details: tuple[str, ...]
    shown: str


def failure_of(job: Job) -> AttemptError:
    """The error that a job which did not complete ended with.

    Returns:
        A `JobFailed` of the class that the worker's words tell, or `ResultExpired` where the endpoint answers
        FAILED for a job that it does not know (the SDK's own API server does).
    """
    if job.state is JobState.TIMED_OUT:
        after = "" if job.execution_ms is None else f" after {job.execution_ms / 1000:.0f} s on a worker"
        hint = "raise ASSETMILL_EXECUTION_TIMEOUT_S, or ASSETMILL_JOB_TTL_S if it never left the queue"
        return TimedOut(f"the job timed out{after}", job_id=job.id, hint=hint)
    if job.state is JobState.CANCELLED:
        hint = "somebody cancelled it, or emptied the endpoint's queue"
        return CancelledElsewhere("the job was cancelled, and not by this run", job_id=job.id, hint=hint)
    if job.state is not JobState.FAILED:
        return JobFailed(f"the job ended as {one_line(job.raw_status) or job.state}", job_id=job.id)
    words = words_of(job.error, job.output)
    if _NEVER_HEARD.fullmatch(words.headline):
        return ResultExpired("the endpoint does not know the job", job_id=job.id, hint="it may be charged")
    return failed(words, job.id)


def failed(words: Words, job_id: str) -> JobFailed:
    """The error of the class that the words tell."""
    kind = class_of(words.headline, words.details)
    return kind(words.shown, job_id=job_id, hint=_HINTS[kind])


def class_of(headline: str, details: Sequence[str] = ()) -> type[JobFailed]:
    """Class of a failure by the worker's words.

    A refusal is told by the headline alone, because it repeats values of the request, which may say anything.
    A node's message counts against the worker only where the GPU, memory or disk gave out.
    """
    if _STARTUP.search(headline):
        return StartupFailed
    if _REFUSED.search(headline) and not _NODE.search(headline):
        return ValidationFailed
    told = (headline, *details)
    of_the_worker = [part for part in told if not _NODE.search(part) and not _TO_S3.search(part)]
    if any(map(_GPU.search, told)) or any(map(_GONE.search, of_the_worker)):
        return WorkerFault
    if _ASKED.search(headline):
        return ValidationFailed
    return ExecutionFailed if any(map(_NODE.search, told)) else JobFailed


def words_of(error: Any, output: Any = None) -> Words:
    """Words of a failure, whatever JSON they are.

    Args:
        error: the job's error: the worker's sentence, or the SDK's JSON string for an exception.
        output: the job's output, whose `details` hold more.
    """
    beside = output.get("details") if isinstance(output, Mapping) else None
    told = beside if isinstance(beside, list) else [beside]
    details = tuple(text for part in told[:MAX_DETAILS] if (text := plain_text(part)))
    kind, message = _exception(error)
    shown = one_line("; ".join(part for part in (message or kind, *details) if part)) or "no reason given"
    headline = f"{kind}: {message}" if kind else message
    return Words(headline[:_READ_CHARS], tuple(part[:_READ_CHARS] for part in details), shown)


def _exception(error: Any) -> tuple[str, str]:
    """Class and message of the SDK's JSON string about an exception; any other error is all message."""
    if isinstance(error, str) and error.lstrip().startswith("{"):
        try:
            parsed = json.loads(error)
        except (ValueError, RecursionError):
            parsed = None
        if isinstance(parsed, dict) and (parsed.get("error_message") or parsed.get("error_type")):
            return plain_text(parsed.get("error_type")), plain_text(parsed.get("error_message"))
    return "", plain_text(error)
