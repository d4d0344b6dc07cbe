from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from starlette.responses import JSONResponse, Response

from assetmill.errors import InvalidImage, NotDelivered, ResultExpired, WrongCount
from assetmill.localpod.comfyui import Comfy, Fault, Kind
from assetmill.localpod.draft import DRAFT_KEY
from assetmill.providers.base import Job, JobRequest, JobState
from assetmill.providers.comfyui import ComfyUIProvider
from assetmill.providers.comfyui.answers import DRAFT_MARK

ATTEMPT = "0123456789abcdef0123456789abcdef"
Requests = Callable[..., JobRequest]


def made(*names: str, kind: str = "output", **image: Any) -> Job:
    """A completed job whose node 9 has written these files."""
    images = [{"filename": name, "subfolder": "", "type": kind, **image} for name in names]
    return Job("j", JobState.COMPLETED, output={"9": {"images": images}, "10": {"text": ["words"]}})


async def test_pictures_come_as_they_lie_there_and_say_whether_they_are_drafts(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    for placeholders in (True, False):
        asked = request_of()
        async with open_comfy(placeholders=placeholders) as comfy:
            provider = new_provider(comfy.url)
            collected = await provider.collect(await provider.wait(await provider.submit(asked)), asked.outputs)
            assert collected.images["image"] == comfy.files.output["", f"{ATTEMPT}-image_00001_.png"]
        assert collected.draft is placeholders
        assert collected.blank


async def test_half_a_picture_is_invalid_and_one_that_is_gone_is_lost(
    comfy: Comfy, provider: ComfyUIProvider, request_of: Requests
) -> None:
    asked = request_of()
    job = await provider.wait(await provider.submit(asked))
    comfy.inject(Fault(Kind.TORN_FILE))
    comfy.inject(Fault(Kind.NO_FILE, after=1))
    with pytest.raises(InvalidImage):
        await provider.collect(job, asked.outputs)
    with pytest.raises(ResultExpired, match="output image is not in ComfyUI's output folder"):
        await provider.collect(job, asked.outputs)
    assert set((await provider.collect(job, asked.outputs)).images) == {"image"}


async def test_a_download_is_tried_again_and_then_left_for_later(script: Any, new_provider: Any, time: Any) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    script.say("view", Response(status_code=502), Response(status_code=500), Response(buffer.getvalue()))
    provider, job = new_provider(script.url), made("p-image_00001_.png")
    assert (await provider.collect(job, {"image": "p-image"})).images == {"image": buffer.getvalue()}
    assert time.slept == [1.0, 3.0]
    script.say_now("view", Response(status_code=502))
    with pytest.raises(NotDelivered) as failed:
        await provider.collect(job, {"image": "p-image"})
    assert failed.value.job_id == "j"


@pytest.mark.parametrize(
    "job",
    (
        made("p-images_00001_.png", "other-far_00001_.png"),
        made("p-far_00001_.png", kind="temp"),
        made(),
        Job("j", JobState.COMPLETED, output=None),
        Job("j", JobState.COMPLETED, output={"9": None, "10": {"images": [None, {"filename": 3}, {}]}}),
    ),
)
async def test_an_output_that_was_not_written_is_named(provider: ComfyUIProvider, job: Job) -> None:
    with pytest.raises(WrongCount, match="1 of 1 outputs are missing: far"):
        await provider.collect(job, {"far": "p-far"})


async def test_files_are_told_apart_by_the_whole_prefix_and_a_batch_gives_its_first(
    script: Any, new_provider: Any
) -> None:
    asked: list[str] = []
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    script.say("view", Response(buffer.getvalue()))
    names = ("p-layer_1_00001_.png", "p-layer_00001_.png", "p-layer_1_00002_.png")
    images = (await new_provider(script.url).collect(made(*names), {"b": "p-layer_1", "a": "p-layer"})).images
    asked = [path for _, path, _, _ in script.seen]
    assert set(images) == {"a", "b"}
    assert asked == ["view", "view"]


async def test_a_server_answers_a_look_with_what_its_history_says(script: Any, new_provider: Any) -> None:
    """A history entry of ComfyUI 0.3: lists for tuples, times in the messages, an error with the node's own words."""
    error = {
        "prompt_id": "j", "node_id": "20", "node_type": "BiRefNetRMBG", "executed": ["4", "8"],
        "exception_message": "Error in image processing: 'mask_blur'", "exception_type": "RuntimeError",
        "traceback": ["..."], "current_inputs": {}, "current_outputs": ["4"], "timestamp": 1_700_000_004_000,
    }  # fmt: skip
    messages = [["execution_start", {"prompt_id": "j", "timestamp": 1_700_000_000_000}], ["execution_error", error]]
    entry = {
        "prompt": [3, "j", {"4": {}}, {"client_id": "c"}, ["9"]],
        "outputs": {},
        "status": {"status_str": "error", "completed": False, "messages": messages},
        "meta": {},
    }
    script.say("queue", JSONResponse({"queue_running": [], "queue_pending": []}))
    script.say("history/j", JSONResponse({"j": entry}))
    job = await new_provider(script.url).look("j", age_s=1)
    assert job.state is JobState.FAILED
    assert job.execution_ms == 4_000
    assert job.delay_ms is None
    assert job.error == (
        "Workflow execution error: Node Type: BiRefNetRMBG, Node ID: 20, "
        "Message: RuntimeError: Error in image processing: 'mask_blur'"
    )


def test_the_mark_of_a_draft_is_the_one_that_drafts_bear() -> None:
    assert DRAFT_KEY.encode() + b"\x00" == DRAFT_MARK
