"""What comes back is believed only as far as it can be seen."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from assetmill.errors import JobFailed, ResultInvalid, ResultLost
from assetmill.providers.base import Job, JobState
from assetmill.providers.runpod.answers import error_text, is_draft, output_files, output_notes, to_job

PIXELS = "aGVsbG8="  # base64 of "hello"
RECORDED = Path(__file__).parents[2] / "fixtures" / "worker_answers.json"


def job(output: object = None, state: JobState = JobState.COMPLETED, error: object = None) -> Job:
    return Job("j1", state, output=output, error=error, raw_status=state.upper())


@pytest.mark.parametrize(
    ("status", "state"),
    (
        ("IN_QUEUE", JobState.QUEUED),
        ("IN_PROGRESS", JobState.RUNNING),
        ("RUNNING", JobState.RUNNING),
        ("COMPLETED", JobState.COMPLETED),
        ("FAILED", JobState.FAILED),
        ("CANCELLED", JobState.CANCELLED),
        ("TIMED_OUT", JobState.TIMED_OUT),
        ("SOMETHING_NEW", JobState.RUNNING),
    ),
)
def test_every_status_has_a_state_and_an_unknown_one_keeps_us_polling(status, state):
    assert to_job({"id": "j1", "status": status}, "j1").state is state


@pytest.mark.parametrize("value", (math.nan, -1, "12", None, True, [1]))
def test_a_time_that_is_no_time_is_unknown(value):
    assert to_job({"status": "COMPLETED", "delayTime": value}, "j1").delay_ms is None


def test_both_output_dialects_and_data_uris_are_understood():
    new = {"images": [{"filename": "a_00001_.png", "type": "base64", "data": PIXELS}]}
    assert output_files(job(new))[0].data == b"hello"
    assert output_files(job({"message": PIXELS}))[0].data == b"hello"
    assert output_files(job({"message": f"data:image/png;base64,{PIXELS}"}))[0].data == b"hello"


def test_an_address_is_an_address():
    url = "https://bucket.invalid/x.png?X-Amz-Signature=1"
    files = output_files(job({"images": [{"filename": "a_1.png", "type": "s3_url", "data": url}]}))
    assert files[0].url == url
    assert files[0].data is None


def test_a_path_inside_the_container_is_no_image():
    simulated = {"images": [{"filename": "a_1.png", "type": "s3_url", "data": "simulated_uploaded/x.png"}]}
    with pytest.raises(ResultInvalid):
        output_files(job(simulated))


def test_completed_without_output_is_lost():
    with pytest.raises(ResultLost, match="without an output"):
        output_files(job(None))


@pytest.mark.parametrize("output", (7, "text", [], {"images": "no"}, {"images": [{"data": 3}]}, {"images": ["x"]}))
def test_an_output_of_another_shape_is_invalid(output):
    with pytest.raises(ResultInvalid):
        output_files(job(output))


@pytest.mark.parametrize(
    ("error", "final"),
    (
        ("Workflow validation failed:\n• Node 4", True),
        ("Cannot execute because node BiRefNet does not exist.. Raw response: {}", True),
        ("Node 'X' not found. The custom node may not be installed.", True),
        ("Missing 'workflow' parameter", True),
        ("ComfyUI server (127.0.0.1:8188) not reachable after multiple retries.", False),
        ("WebSocket communication error: ComfyUI HTTP unreachable during websocket reconnect", False),
        ("Job processing failed", False),
    ),
)
def test_failures_know_whether_they_would_happen_again(error, final):
    with pytest.raises(JobFailed) as caught:
        output_files(job(None, JobState.FAILED, error))
    assert caught.value.final is final
    assert caught.value.job_id == "j1"


def test_details_beside_a_failure_are_told():
    failed = job({"details": ["Node Type: BiRefNetRMBG, Node ID: 20"]}, JobState.FAILED, "Job processing failed")
    with pytest.raises(JobFailed, match="BiRefNetRMBG"):
        output_files(failed)


@pytest.mark.parametrize("details", (5, "node 4", {"node": 4}))
def test_details_of_another_shape_are_told_and_break_nothing(details):
    job = to_job({"status": "FAILED", "error": "no", "output": {"details": details}}, "j1")
    with pytest.raises(JobFailed, match=str(details)):
        output_files(job)


def test_an_sdk_exception_is_told_by_its_message():
    packed = json.dumps({"error_type": "<class 'ValueError'>", "error_message": "boom", "error_traceback": "x" * 9000})
    assert error_text(packed) == "boom"


def test_long_errors_are_cut():
    assert len(error_text("x" * 10_000)) <= 601


def test_notes_and_the_draft_mark():
    marked = job({"images": [], "errors": ["one went wrong"], "draft": True})
    assert output_notes(marked) == ("one went wrong",)
    assert is_draft(marked)
    assert not is_draft(job({"images": [], "draft": "yes"}))


@pytest.mark.parametrize("name", sorted(json.loads(RECORDED.read_text())))
def test_recorded_answers_of_the_real_worker_are_read(name):
    case = json.loads(RECORDED.read_text())[name]
    answered = to_job(case["body"], "fallback")
    if case["expected"] == "images":
        assert [f.filename for f in output_files(answered)] == case["filenames"]
        return
    with pytest.raises({"failed": JobFailed, "lost": ResultLost}[case["expected"]]):
        output_files(answered)
