from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image
from starlette.responses import JSONResponse, PlainTextResponse, Response

from assetmill.errors import (
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    RequestRejected,
    RequestTooLarge,
    Throttled,
    WrongCount,
)
from assetmill.localpod.comfyui import Comfy, Fault, Kind
from assetmill.providers.base import InputImage, JobRequest
from assetmill.providers.comfyui import ComfyUIProvider
from assetmill.workflows import bind, load_library

ATTEMPT = "0123456789abcdef0123456789abcdef"
JOB = "01234567-89ab-cdef-0123-456789abcdef"
Requests = Callable[..., JobRequest]


def picture() -> InputImage:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return InputImage("guide-1.png", buffer.getvalue())


@pytest.mark.parametrize("name", ("entity", "parallax-depth"))
async def test_a_workflow_goes_there_and_every_role_comes_back(
    comfy: Comfy, provider: ComfyUIProvider, name: str
) -> None:
    workflow, image = load_library().get(name), picture()
    values: dict[str, Any] = {"prompt": "a red barrel", "seed": 3, "width": 64, "height": 64, "input_image": image.name}
    values |= {"far_prompt": "hills"} if "far_prompt" in workflow.required else {}
    bound = bind(workflow, {key: value for key, value in values.items() if key in workflow.parameters}, prefix=ATTEMPT)
    images = (image,) if workflow.needs_image else ()

    job = await provider.wait(await provider.submit(JobRequest(ATTEMPT, bound.graph, bound.outputs, images)))
    collected = await provider.collect(job, bound.outputs)

    assert set(collected.images) == set(workflow.outputs)
    assert collected.draft
    assert list(collected.images.values()) == [
        comfy.files.output["", f"{ATTEMPT}-{role}_00001_.png"] for role in bound.outputs
    ]


async def test_an_attempt_goes_under_an_id_made_from_its_own_and_carries_its_key(
    comfy: Comfy, provider: ComfyUIProvider, request_of: Requests
) -> None:
    assert await provider.submit(request_of()) == JOB
    await provider.wait(JOB)
    assert [(ran.prompt_id, ran.attempt) for ran in comfy.ran] == [(JOB, ATTEMPT)]


async def test_a_missing_model_and_a_wrong_value_are_named_and_nothing_is_taken(
    open_comfy: Any, new_provider: Any
) -> None:
    values = {"prompt": "hills", "seed": 1, "width": 64, "height": 64}
    bound = bind(load_library().get("background"), values, prefix=ATTEMPT)
    bound.graph["17"]["inputs"]["steps"] = 0
    async with open_comfy(lacks=frozenset({"flux1-dev-fp8.safetensors"})) as comfy:
        with pytest.raises(RequestRejected) as refused:
            await new_provider(comfy.url).submit(JobRequest(ATTEMPT, bound.graph, bound.outputs))
        assert not comfy.ran
        assert not comfy.outstanding
    said = refused.value.message
    assert "node 4 (CheckpointLoaderSimple): Value not in list: ckpt_name: 'flux1-dev-fp8.safetensors'" in said
    assert "node 17 (KSampler): Value 0 smaller than min of 1" in said
    assert "assetmill doctor" in refused.value.hint


@pytest.mark.parametrize(
    ("error", "words"),
    (
        (
            {
                "type": "invalid_prompt",
                "message": "Cannot execute because node BiRefNet does not exist.",
                "details": "Node ID '#1'",
                "extra_info": {},
            },
            "Cannot execute because node BiRefNet does not exist. Node ID '#1'",
        ),
        ("Prompt has no outputs", "Prompt has no outputs"),
        (None, "no reason given"),
    ),
)
async def test_refusals_of_other_versions_are_read_too(
    script: Any, new_provider: Any, request_of: Requests, error: Any, words: str
) -> None:
    script.say("prompt", JSONResponse({"error": error, "node_errors": {}}, 400))
    with pytest.raises(RequestRejected, match="ComfyUI refused the graph") as refused:
        await new_provider(script.url).submit(request_of())
    assert words in refused.value.message


@pytest.mark.parametrize("held", (True, False))
async def test_a_graph_of_which_outputs_would_be_left_out_is_taken_back(
    open_comfy: Any, new_provider: Any, request_of: Requests, *, held: bool
) -> None:
    sound = request_of(ATTEMPT, "full", "near")
    graph: dict[str, Any] = copy.deepcopy(dict(sound.graph))
    graph["3"]["inputs"]["images"] = ["4", 0]
    graph["4"] = {"class_type": "LoadImage", "inputs": {"image": "nobody-sent-this.png"}}
    asked = replace(sound, graph=graph)
    async with open_comfy(real=True, faults=(Fault(Kind.SLOW, seconds=3600),)) as comfy:
        if held:
            comfy.hold()
        with pytest.raises(RequestRejected, match=r"leave outputs out: node 4 \(LoadImage\).*nobody-sent-this"):
            await new_provider(comfy.url).submit(asked)
        assert not comfy.outstanding


async def test_outputs_left_out_of_a_graph_that_could_not_be_taken_back_are_explained(
    script: Any, new_provider: Any, request_of: Requests
) -> None:
    errors = {"4": {"class_type": "LoadImage", "errors": [{"message": "Invalid image file", "details": "x.png"}]}}
    script.say("prompt", JSONResponse({"prompt_id": JOB, "number": 1, "node_errors": errors}))
    outputs = {"2": {"images": [{"filename": f"{ATTEMPT}-full_00001_.png", "subfolder": "", "type": "output"}]}}
    history = {"prompt": [1, JOB, {}, {}, []], "outputs": outputs, "status": {"status_str": "success"}}
    script.say("queue", JSONResponse({"queue_running": [], "queue_pending": []}))
    script.say(f"api/jobs/{JOB}/cancel", JSONResponse({"cancelled": False}))
    script.say(f"history/{JOB}", JSONResponse({JOB: history}))
    provider = new_provider(script.url)

    job = await provider.wait(await provider.submit(request_of(ATTEMPT, "full", "near")))
    with pytest.raises(WrongCount, match=r"1 of 2 outputs are missing: near \(node 4 \(LoadImage\): Invalid image"):
        await provider.collect(job, {"full": f"{ATTEMPT}-full", "near": f"{ATTEMPT}-near"})


@pytest.mark.parametrize(
    ("answer", "error"),
    (
        (Response(status_code=413), RequestTooLarge),
        (PlainTextResponse("502 Bad Gateway", 502), NotDelivered),
        (Response(status_code=400), RequestRejected),
        (JSONResponse({"name": "guide-1 (1).png", "subfolder": "", "type": "input"}), RequestRejected),
        (Response(status_code=401), ProviderRefused),
        (Response(status_code=404), ProviderRefused),
        (Response(status_code=302, headers={"Location": "/login"}), ProviderRefused),
    ),
)
async def test_a_picture_that_is_not_kept_stops_the_graph(
    script: Any, new_provider: Any, request_of: Requests, answer: Response, error: type[Exception]
) -> None:
    script.say("upload/image", answer)
    with pytest.raises(error):
        await new_provider(script.url).submit(request_of(images=(picture(),)))
    assert not script.calls("prompt")


@pytest.mark.parametrize(
    ("answer", "error"),
    (
        (PlainTextResponse("503 Service Unavailable", 503), OutcomeUnknown),
        (JSONResponse({"number": 3}), OutcomeUnknown),
        (Response(status_code=403), ProviderRefused),
        (Response(status_code=405), ProviderRefused),
        (Response(status_code=413), RequestTooLarge),
        (Response(status_code=429, headers={"Retry-After": "7"}), Throttled),
    ),
)
async def test_what_an_answer_to_a_graph_means(
    script: Any, new_provider: Any, request_of: Requests, answer: Response, error: type[Exception]
) -> None:
    script.say("prompt", answer)
    with pytest.raises(error) as raised:
        await new_provider(script.url).submit(request_of())
    if isinstance(raised.value, Throttled):
        assert raised.value.retry_after_s == 7.0


async def test_a_lost_answer_is_an_unknown_outcome_and_no_connection_is_none(
    comfy: Comfy, provider: ComfyUIProvider, new_provider: Any, request_of: Requests
) -> None:
    comfy.inject(Fault(Kind.LOST_ANSWER))
    with pytest.raises(OutcomeUnknown):
        await provider.submit(request_of())
    with pytest.raises(NotDelivered):
        await new_provider("http://127.0.0.1:9").submit(request_of())


async def test_the_key_travels_as_a_bearer_and_is_never_repeated(
    open_comfy: Any, new_provider: Any, script: Any, request_of: Requests
) -> None:
    key = "made-up-key-of-a-proxy"
    async with open_comfy(api_key=key) as comfy:
        assert await new_provider(comfy.url, key).submit(request_of()) == JOB
        with pytest.raises(ProviderRefused, match="COMFYUI_API_KEY") as refused:
            await new_provider(comfy.url, "another-key").submit(request_of())
    assert key not in str(refused.value)
    script.say("prompt", JSONResponse({"error": f"Bearer {key} sent this"}, 400))
    with pytest.raises(RequestRejected) as repeated:
        await new_provider(script.url, key).submit(request_of())
    assert key not in str(repeated.value)


async def test_a_job_of_low_priority_goes_behind_all_others(
    comfy: Comfy, provider: ComfyUIProvider, request_of: Requests
) -> None:
    comfy.hold()
    late = await provider.submit(request_of("a" * 32, low_priority=True))
    soon = [await provider.submit(request_of(digit * 32)) for digit in "bc"]
    comfy.go()
    await provider.wait(late)
    assert [ran.prompt_id for ran in comfy.ran] == [*soon, late]


async def test_a_server_that_gives_its_own_ids_serves_as_well(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    asked = request_of()
    async with open_comfy(takes_ids=False) as comfy:
        provider = new_provider(comfy.url)
        job_id = await provider.submit(asked)
        assert job_id != JOB
        collected = await provider.collect(await provider.wait(job_id), asked.outputs)
    assert set(collected.images) == {"image"}


async def test_a_request_holds_the_graph_and_nothing_of_the_pictures(
    script: Any, new_provider: Any, request_of: Requests
) -> None:
    script.say("upload/image", JSONResponse({"name": "guide-1.png", "subfolder": "", "type": "input"}))
    script.say("prompt", JSONResponse({"prompt_id": JOB, "number": 1, "node_errors": {}}))
    asked = request_of(images=(picture(),))
    await new_provider(script.url).submit(asked)
    sent = next(json.loads(body) for _, path, body, _ in script.seen if path == "prompt")
    assert sent == {"prompt": asked.graph, "prompt_id": JOB, "extra_data": {"assetmill_attempt": ATTEMPT}}
