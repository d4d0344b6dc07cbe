"""ComfyUI's refusal is read out of a worker's sentence as a whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assetmill.providers.base import Job, JobState
from assetmill.providers.runpod.refusals import refusal_of

RECORDED = json.loads((Path(__file__).parents[2] / "fixtures" / "worker_failures.json").read_text())


def job(error: Any, state: JobState = JobState.FAILED) -> Job:
    return Job("job-1", state, error=error)


def recorded(name: str) -> Job:
    return job(RECORDED[name]["body"]["error"])


def test_a_file_that_is_not_there_is_told_with_those_that_are():
    refusal = refusal_of(recorded("03_invalid_workflow_1"))
    assert refusal is not None
    [error] = refusal.errors["4"]
    assert (error.type, error.input, error.value) == ("value_not_in_list", "ckpt_name", "missing.safetensors")
    assert error.offered == ("flux1-dev-fp8.safetensors",)


def test_errors_of_several_nodes_stay_apart():
    refusal = refusal_of(recorded("03_invalid_workflow_2"))
    assert refusal is not None
    assert {key: [one.type for one in errors] for key, errors in refusal.errors.items()} == {
        "5": ["invalid_input_type"],
        "17": ["value_smaller_than_min"],
    }


def test_a_class_that_is_not_known_is_told_by_its_node_in_both_wordings():
    old = refusal_of(recorded("03_invalid_workflow_0"))
    raw = {
        "error": {
            "type": "missing_node_type",
            "message": "Node 'Cut out' not found. The custom node may not be installed.",
            "details": "Node ID '#1'",
            "extra_info": {"node_id": "1", "class_type": "BiRefNet", "node_title": "Cut out"},
        },
        "node_errors": {},
    }
    new = refusal_of(job(f"{raw['error']['message']}. Raw response: {json.dumps(raw)}"))
    assert old is not None
    assert new is not None
    assert old.unknown == new.unknown == "1"


def test_an_exception_of_the_worker_sdk_hides_no_refusal():
    inner = RECORDED["03_invalid_workflow_1"]["body"]["error"]
    wrapped = json.dumps({"error_type": "<class 'ValueError'>", "error_message": inner, "error_traceback": "..."})
    assert refusal_of(job(wrapped)) == refusal_of(job(inner))


def test_both_spellings_of_a_choice_tell_what_there_is():
    error = {
        "type": "value_not_in_list", "message": "Value not in list", "details": "model: 'x' not in ['y']",
        "extra_info": {"input_name": "model", "input_config": ["COMBO", {"options": ["y"]}], "received_value": "x"},
    }  # fmt: skip
    refusal = refusal_of(job(f"Workflow validation failed:\n• Node 1 (errors): {[error]!r}"))
    assert refusal is not None
    assert refusal.errors["1"][0].offered == ("y",)


@pytest.mark.parametrize(
    "error",
    (
        "Workflow validation failed:\n• Node 4 (errors): [{'type': 'value_not_in_list', 'mess",
        "Workflow validation failed:\n• Node 4 (errors): [open('x')]",
        "Workflow validation failed:\n• Node 4 (errors): [{'type': 'x'}]\n• Node 5 (errors): [{'type': 'x'",
        "Workflow validation failed:\n• Node 4 (class_type): SaveImage",
        "Prompt has no outputs. Raw response: " + json.dumps({"error": {"type": "prompt_no_outputs"}}),
        "Cannot execute because node X does not exist.. Raw response: {",
        "Job processing failed",
        {"error": "not a sentence"},
        None,
    ),
)
def test_words_of_which_a_part_is_missing_are_no_answer(error):
    assert refusal_of(job(error)) is None


def test_only_a_job_that_failed_tells_anything():
    assert refusal_of(job(RECORDED["03_invalid_workflow_1"]["body"]["error"], JobState.CANCELLED)) is None
