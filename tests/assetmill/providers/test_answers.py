"""What comes back is believed only as far as it can be seen."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from assetmill.errors import InvalidImage, JobFailed, ResultExpired, ResultInvalid, ResultTooLarge, StartupFailed
from assetmill.providers.base import Job, JobState
from assetmill.providers.runpod.answers import is_draft, output_files, output_notes, to_job

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


@pytest.mark.parametrize("value", (math.nan, math.inf, -1, "12", None, True, [1], 10**400, 8 * 24 * 3600 * 1000))
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


@pytest.mark.parametrize("scheme", ("http", "https", "HTTPS"))
def test_a_plain_and_a_secure_address_are_taken_however_they_are_written(scheme):
    assert output_files(job({"message": f"{scheme}://bucket.invalid:8443/x.png"}))[0].url


@pytest.mark.parametrize(
    "address",
    ("http://[::1/SIGNED", "https:///SIGNED", "http://a:99999/SIGNED", "http://a:-1/SIGNED", "http://xn--/SIGNED"),
)
def test_an_address_of_which_nothing_can_be_asked_is_no_image_and_is_not_repeated(address):
    with pytest.raises(InvalidImage) as caught:
        output_files(job({"images": [{"filename": "a_1.png", "type": "s3_url", "data": address}]}))
    assert "SIGNED" not in str(caught.value)


def test_a_path_inside_the_container_says_which_settings_the_endpoint_lacks():
    simulated = {"images": [{"filename": "a_1.png", "type": "s3_url", "data": "simulated_uploaded/x.png"}]}
    with pytest.raises(ResultInvalid, match="no S3 keys") as caught:
        output_files(job(simulated))
    assert "BUCKET_SECRET_ACCESS_KEY" in caught.value.hint
    assert caught.value.code == "result_invalid", "it would happen to every picture: never paid for again"


def test_base64_may_be_broken_into_lines():
    assert output_files(job({"message": f"{PIXELS[:4]}\r\n{PIXELS[4:]}\n"}))[0].data == b"hello"


@pytest.mark.parametrize("data", (PIXELS[:-2], "####", "é", "some/path.png", "\0"))
def test_text_that_is_cut_off_or_no_base64_is_no_image(data):
    with pytest.raises(InvalidImage, match=r"a_1\.png"):
        output_files(job({"images": [{"filename": "a_1.png", "type": "base64", "data": data}]}))


def test_completed_without_output_was_too_large():
    with pytest.raises(ResultTooLarge, match="without an output"):
        output_files(job(None))


def test_completed_with_an_error_has_failed():
    with pytest.raises(StartupFailed):
        output_files(job({"error": "ComfyUI server (x) not reachable after multiple retries.", "images": []}))


@pytest.mark.parametrize(
    "output",
    (
        7, math.nan, "text", "", [], {}, {"images": "no"}, {"images": [{"data": 3}]}, {"images": ["x"]},
        {"images": [None]}, {"images": [{"data": None, "filename": []}]}, {"message": ["x"]}, {"images": {}},
        {"images": [{"data": "http://", "filename": {"x": "\0"}}]},
    ),
)  # fmt: skip
def test_an_output_of_another_shape_is_invalid(output):
    with pytest.raises(ResultInvalid) as caught:
        output_files(job(output))
    assert caught.value.job_id == "j1"


def test_a_file_without_a_proper_name_has_none():
    assert output_files(job({"images": [{"filename": ["x"], "data": PIXELS}]}))[0].filename == ""


@pytest.mark.parametrize("body", ({"status": 7}, {"status": ["COMPLETED"]}, {"status": None}, {}))
def test_a_status_that_is_no_word_counts_as_running(body):
    assert to_job(body, "j1").state is JobState.RUNNING


@pytest.mark.parametrize(("worker", "known"), (("w1", "w1"), (7, None), ([], None), ("", None), ("a\0b", "a b")))
def test_a_worker_that_is_no_word_is_unknown(worker, known):
    assert to_job({"status": "COMPLETED", "workerId": worker}, "j1").worker_id == known


def test_a_job_keeps_the_id_it_was_asked_for_by():
    assert to_job({"id": {"no": "id"}, "status": "COMPLETED"}, "j1").id == "j1"


def test_notes_and_the_draft_mark():
    marked = job({"images": [], "errors": ["one went wrong", None, {"node": 4}], "draft": True})
    assert output_notes(marked) == ("one went wrong", "{'node': 4}")
    assert output_notes(job({"images": [], "errors": "a single one"})) == ("a single one",)
    assert is_draft(marked)
    assert not is_draft(job({"images": [], "draft": "yes"}))


@pytest.mark.parametrize("name", sorted(json.loads(RECORDED.read_text())))
def test_recorded_answers_of_the_real_worker_are_read(name):
    case = json.loads(RECORDED.read_text())[name]
    answered = to_job(case["body"], "fallback")
    if case["expected"] == "images":
        assert [f.filename for f in output_files(answered)] == case["filenames"]
        return
    with pytest.raises({"failed": (JobFailed, ResultExpired), "lost": ResultTooLarge}[case["expected"]]):
        output_files(answered)


def noted(handler_ms: object, **body: object) -> tuple[int | None, int | None]:
    told = {"status": "COMPLETED", "delayTime": 500, "executionTime": 9_000, **body}
    job = to_job(told | {"output": {"images": [], "assetmill_worker": {"handler_ms": handler_ms}}}, "j1")
    return job.delay_ms, job.execution_ms


def test_what_a_job_waited_on_a_worker_that_fetched_it_ahead_is_delay_and_not_execution() -> None:
    assert noted(2_000) == (7_500, 2_000)
    assert noted(2_000, status="FAILED", error="Job processing failed") == (7_500, 2_000)
    assert noted(2_000, delayTime=None) == (None, 2_000)


@pytest.mark.parametrize("odd", (None, -1, "2000", True, 9_001, float("nan"), float("inf"), {}, 10**30))
def test_a_note_that_cannot_be_leaves_the_endpoints_own_times(odd: object) -> None:
    assert noted(odd) == (500, 9_000)
    body = {"status": "COMPLETED", "delayTime": 500, "executionTime": 9_000, "output": {"assetmill_worker": odd}}
    job = to_job(body, "j1")
    assert (job.delay_ms, job.execution_ms) == (500, 9_000)


def test_without_the_endpoints_own_times_a_note_says_nothing() -> None:
    assert noted(2_000, executionTime=None) == (500, None)
