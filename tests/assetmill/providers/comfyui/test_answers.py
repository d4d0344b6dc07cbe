from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.providers.base import Job, JobState
from assetmill.providers.comfyui.answers import (
    Accepted,
    QueueLook,
    attempts_in,
    began_s,
    files_of,
    is_draft,
    node_errors,
    prompt_id_of,
    read_history,
    read_queue,
    refusal,
    usual_files,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(("status", "messages", "prompt", "outputs", "images", "errors", "queue_running", "x")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.binary(max_size=64))
def test_whatever_a_server_says_becomes_a_value(said: Any, data: bytes) -> None:
    anything = said if isinstance(said, dict) else {"status": said, "prompt": said, "queue_pending": said}
    assert isinstance(read_queue(anything), QueueLook)
    assert isinstance(read_history(said, "j"), Job)
    assert isinstance(began_s({"a": said}), float | None)
    assert isinstance(attempts_in({"a": said}), dict)
    assert isinstance(refusal({"error": said, "node_errors": said}), str)
    assert len(refusal({"error": said, "node_errors": said})) <= 601
    assert isinstance(list(files_of(said)), list)
    assert isinstance(is_draft(b"\x89PNG\r\n\x1a\n" + data), bool)


@given(st.uuids() | st.text(max_size=40))
def test_an_attempt_has_one_id_in_the_form_that_servers_take(attempt: uuid.UUID | str) -> None:
    key = attempt.hex if isinstance(attempt, uuid.UUID) else attempt
    job_id = prompt_id_of(key)
    assert job_id == prompt_id_of(key)
    assert str(uuid.UUID(job_id)) == job_id
    if isinstance(attempt, uuid.UUID):
        assert job_id == str(attempt)
        assert usual_files(job_id)[0].name == f"{key}-image_00001_.png"


def test_an_id_of_the_servers_own_tells_no_files() -> None:
    assert usual_files("prompt 7") == ()


def test_what_waits_stands_in_the_order_in_which_it_will_run() -> None:
    pending = [[7.5, "c", {}, {}, []], [1e9, "d", {}, {"assetmill_attempt": "mine"}, []], [2, "b", {}, {}, []]]
    look = read_queue({"queue_running": [[1, "a", {}, {}, []]], "queue_pending": pending})
    assert (look.running, look.pending) == (("a",), ("b", "c", "d"))
    assert look.ahead("c") == ("a", "b")
    assert look.attempts == {"mine": "d"}
    states = [job.state if (job := look.job(one)) else None for one in ("a", "b", "z")]
    assert states == [JobState.RUNNING, JobState.QUEUED, None]


@pytest.mark.parametrize(
    ("status", "state"),
    (
        ({"status_str": "success", "completed": True, "messages": []}, JobState.COMPLETED),
        ({"status_str": "error", "completed": False, "messages": []}, JobState.FAILED),
        ({"status_str": "error", "messages": [["execution_interrupted", {}]]}, JobState.CANCELLED),
        ({"status_str": "error", "messages": [["execution_success", {}]]}, JobState.COMPLETED),
        (None, JobState.COMPLETED),
    ),
)
def test_an_end_is_told_by_its_messages_before_its_status(status: Any, state: JobState) -> None:
    assert read_history({"prompt": [], "outputs": {}, "status": status}, "j").state is state


def test_a_long_list_of_faults_is_shortened_and_keeps_the_first_nodes() -> None:
    fault = {"message": "Value not in list", "details": "ckpt_name: 'a' not in []"}
    said = node_errors({str(number): {"class_type": "Loader", "errors": [fault]} for number in range(9)})
    assert said.startswith("node 0 (Loader): Value not in list: ckpt_name: 'a' not in []; node 1 (Loader)")
    assert "and 3 more nodes" in said
    assert not Accepted("j", node_errors({})).left_out
