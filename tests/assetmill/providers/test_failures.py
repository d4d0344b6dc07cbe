"""A worker's words become the class that decides whether the same picture is paid for again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

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
from assetmill.providers.base import JobState
from assetmill.providers.runpod.answers import output_files, outputs_missing, to_job
from assetmill.providers.runpod.failures import class_of, failure_of, words_of
from assetmill.providers.words import MAX_ERROR_CHARS, one_line

RECORDED = json.loads((Path(__file__).parents[2] / "fixtures" / "worker_failures.json").read_text())
NODE = "Workflow execution error: Node Type: {}, Node ID: 20, Message: {}"
ADDRESS = "https://bucket.r2.invalid/11-26/job/ab.png?X-Amz-Credential=AKIA&X-Amz-Signature=d6dd3da5"


def failed(error: object, details: object = None) -> AttemptError:
    body = {"status": "FAILED", "error": error}
    return failure_of(to_job(body if details is None else body | {"output": {"details": details}}, "j1"))


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_recorded_failure_of_the_real_worker_has_its_class(name):
    job = to_job(RECORDED[name]["body"], "j1")
    try:
        files = output_files(job)
    except AttemptError as caught:
        error = caught
    else:
        assert files == ()
        error = outputs_missing(job, ["image"], 1)
    assert error.code == RECORDED[name]["expected"]
    assert error.job_id == "j1"
    assert error.hint


@pytest.mark.parametrize(
    ("kind", "error", "details"),
    (
        (StartupFailed, "ComfyUI server (127.0.0.1:8188) not reachable after multiple retries.", None),
        (WorkerFault, "WebSocket communication error: Connection closed and failed to reconnect. Last error: x", None),
        (WorkerFault, "HTTP communication error with ComfyUI: 404 Client Error", None),
        (WorkerFault, "ComfyUI (pid 17) process has exited", None),
        (WorkerFault, "An unexpected error occurred: [Errno 111] Connection refused", None),
        (WorkerFault, "Error queuing workflow: HTTPConnectionPool: Max retries exceeded with url: /prompt", None),
        (WorkerFault, "CUDA error: an illegal memory access was encountered", None),
        (WorkerFault, "Job processing failed", [NODE.format("KSampler", "CUDA out of memory. Tried 2.00 GiB")]),
        (WorkerFault, "Job processing failed", [NODE.format("VAEDecode", "Allocation on device")]),
        (WorkerFault, "Job processing failed", [NODE.format("SaveImage", "[Errno 28] No space left on device")]),
        (WorkerFault, "Job processing failed", ["No outputs", NODE.format("KSampler", "CUDNN_STATUS_INTERNAL_ERROR")]),
        (WorkerFault, "Failed to upload one or more input images", ["Error uploading a.png: Connection refused"]),
        (WorkerFault, "Failed to upload one or more input images", ["Timeout uploading a.png"]),
        (ExecutionFailed, "Job processing failed", [NODE.format("BiRefNetRMBG", "'mask_blur'")]),
        (ExecutionFailed, "Job processing failed", NODE.format("LoadImage", "cannot identify image file")),
        (ExecutionFailed, "Job processing failed", [NODE.format("X", "Connection refused by huggingface.invalid")]),
        (ExecutionFailed, "Job processing failed", [NODE.format("X", "tensors on two devices, cuda:0 and cpu!")]),
        (ExecutionFailed, "Job processing failed", [NODE.format("X", "Workflow validation failed, says a node")]),
        (ExecutionFailed, NODE.format("X", "model.pth does not exist"), None),
        (ExecutionFailed, NODE.format("X", "Workflow validation failed, says a node"), None),
        (ValidationFailed, "Cannot execute because node BiRefNet does not exist.. Raw response: {}", None),
        (ValidationFailed, "Node 'X' not found. The custom node may not be installed.", None),
        (
            ValidationFailed,
            "Workflow validation failed:\n• Node 4 (errors): [{'received_value': 'out of memory'}]",
            None,
        ),
        (ValidationFailed, "Some other words of ComfyUI:\n• Node 4 (class_type): X", None),
        (ValidationFailed, "Please provide input", None),
        (ValidationFailed, "Invalid JSON format in input", None),
        (ValidationFailed, "Failed to upload one or more input images", ["Error decoding base64 for a.png: padding"]),
        (ValidationFailed, "Failed to upload one or more input images", ["Error uploading a.png: 413 Client Error"]),
        (JobFailed, "Job processing failed", None),
        (JobFailed, "Job processing failed", ["No outputs found in history for prompt 7."]),
        (JobFailed, "Job processing failed", ["Error uploading a.png to S3: Connection refused"]),
        (JobFailed, "Prompt ID 7 not found in history after execution.", None),
        (JobFailed, "Job processing failed, prompt ID not found in history.", None),
        (JobFailed, "words that nobody has heard", None),
        (JobFailed, None, None),
        (ResultExpired, "Job ID not found", None),
    ),
)
def test_a_workers_words_decide_the_class(kind, error, details):
    assert type(failed(error, details)) is kind


def test_an_exception_of_the_sdk_is_read_by_its_class_and_told_by_its_message():
    packed = {"error_type": "<class 'torch.OutOfMemoryError'>", "error_message": "boom", "error_traceback": "x" * 9000}
    error = failed(json.dumps(packed))
    assert type(error) is WorkerFault
    assert error.message == "boom"


def test_details_are_told_with_the_headline():
    error = failed("Job processing failed", [NODE.format("BiRefNetRMBG", "'mask_blur'"), "second"])
    assert error.message == "Job processing failed; " + NODE.format("BiRefNetRMBG", "'mask_blur'") + "; second"


@pytest.mark.parametrize(
    ("status", "kind"), (("TIMED_OUT", TimedOut), ("CANCELLED", CancelledElsewhere), ("FAILED", JobFailed))
)
def test_a_status_says_how_a_job_ended_where_no_words_are_needed(status, kind):
    error = failure_of(to_job({"status": status, "error": "words", "executionTime": 61_000}, "j1"))
    assert type(error) is kind
    assert error.job_id == "j1"


def test_a_timeout_on_a_worker_says_after_how_long():
    assert "after 61 s" in failure_of(to_job({"status": "TIMED_OUT", "executionTime": 61_000}, "j1")).message
    assert "after" not in failure_of(to_job({"status": "TIMED_OUT"}, "j1")).message


def test_a_job_that_has_not_ended_has_no_images():
    job = to_job({"status": "IN_PROGRESS"}, "j1")
    assert job.state is JobState.RUNNING
    assert "IN_PROGRESS" in failure_of(job).message


def test_notes_beside_too_few_images_tell_a_node_from_a_missing_output():
    def missing(*notes: str) -> AttemptError:
        return outputs_missing(to_job({"output": {"images": [], "errors": list(notes)}}, "j1"), ["far", "near"], 5)

    assert missing("Node 9 produced unhandled output keys: ['text'].").code == "wrong_count"
    assert missing(NODE.format("SaveImage", "no such folder")).code == "execution_failed"
    assert missing(NODE.format("VAEDecode", "CUDA out of memory")).code == "worker_fault"
    assert missing("note").message == "2 of 5 outputs are missing: far, near (note)"


ANY_JSON = (
    5, -1.5, math.nan, math.inf, True, [], {}, [[[[[[1]]]]]], {"a": {"b": {"c": {"d": {"e": 1}}}}}, 10**6000,
    "x" * 100_000, "a\x00b\x1b[31m\ud800", '{"error_message": {"deep": [1]}}', "{" * 50_000, '{"a":' * 50_000,
)  # fmt: skip


@pytest.mark.parametrize("value", ANY_JSON, ids=range(len(ANY_JSON)))
def test_any_json_in_place_of_words_is_told_shortly_on_one_line_and_breaks_nothing(value):
    for error in (failed(value), failed("no", value), failed("no", [value] * 50)):
        assert isinstance(error, JobFailed)
        assert len(error.message) <= MAX_ERROR_CHARS + 1
        assert error.message.isprintable()
        error.message.encode()


def test_depth_without_end_is_told_as_a_kind():
    deep: object = "bottom"
    for _ in range(20_000):
        deep = [deep]
    assert len(one_line(deep)) < 100
    assert failed(deep, deep).code == "job_failed"


@pytest.mark.parametrize(
    "words",
    (
        f"upload failed for {ADDRESS}",
        "upload failed for s3://AKIA:d6dd3da5@bucket/1.png?token=AKIA, retried",
        f'{{"url":"{ADDRESS}"}}',
        "url: /11-26/ab.png?X-Amz-Credential=AKIA&X-Amz-Signature=d6dd3da5 (refused)",
        "x" * 3 * MAX_ERROR_CHARS + ADDRESS,
        {"url": ADDRESS},
        [{"nested": [ADDRESS]}],
    ),
)
def test_no_signed_address_is_repeated(words):
    for error in (failed(words), failed("no", words), failed("no", [words])):
        assert "AKIA" not in str(error)
        assert "d6dd3da5" not in str(error)


def test_no_image_data_is_repeated():
    error = failed("Error decoding base64 for input.png: " + "iVBORw0KGgo" * 40)
    assert error.message == "Error decoding base64 for input.png: [data]"


def test_words_far_down_do_not_count_and_cost_no_time():
    text = "Job processing failed " + "y" * 5_000_000 + " CUDA error"
    assert class_of(words_of(text).headline) is JobFailed
