"""The local ComfyUI answers as the real one does: its refusals were recorded, its other answers read in its source."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.errors import UsageError
from assetmill.localpod.comfyui import Comfy, ComfyConfig, Fault, Kind, running_comfyui
from assetmill.localpod.draft import DRAFT_KEY
from assetmill.workflows.library import load_library
from assetmill.workflows.live import lint_against

RECORDED = Path(__file__).parents[2] / "fixtures" / "comfyui_refusals.json"
OpenComfy = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Comfy]]]


@pytest.fixture
def open_comfy() -> OpenComfy:
    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Comfy]]:
        async with (
            running_comfyui(ComfyConfig(**settings)) as comfy,
            httpx.AsyncClient(base_url=comfy.url, timeout=60) as client,
        ):
            yield client, comfy

    return opened


def square(prefix: str = "p", size: int = 16) -> dict[str, Any]:
    """A graph that needs no model."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": size, "height": size, "batch_size": 1, "color": 255}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


async def idle(comfy: Comfy) -> None:
    while comfy.outstanding:  # noqa: ASYNC110  the drawing is a thread's
        await asyncio.sleep(0)


@pytest.mark.parametrize("case", json.loads(RECORDED.read_text(encoding="utf-8")), ids=lambda case: case["note"])
async def test_a_graph_is_refused_in_the_words_that_were_recorded(open_comfy: OpenComfy, case: Any) -> None:
    async with open_comfy() as (client, comfy):
        answer = await client.post("/prompt", json={"prompt": case["graph"]})
        assert not comfy.outstanding
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"]["type"] == "prompt_outputs_failed_validation"
    assert [told(node) for node in sorted_values(body["node_errors"])] == [
        told(node) for node in sorted_values(case["node_errors"])
    ]


def sorted_values(nodes: dict[str, Any]) -> list[Any]:
    return [nodes[key] for key in sorted(nodes)]


def told(node: dict[str, Any]) -> Any:
    """What a client can read of a node's faults; the tooltips of a real node's inputs are none of it."""
    faults = [
        (one["type"], one["message"], one["details"], one["extra_info"]["input_name"], received(one))
        for one in node["errors"]
    ]
    return node["class_type"], node["dependent_outputs"], faults


def received(fault: dict[str, Any]) -> Any:
    return fault["extra_info"].get("received_value")


@pytest.mark.parametrize(
    ("graph", "kind", "words"),
    (
        ({"1": {"class_type": "BiRefNet", "inputs": {}}}, "missing_node_type", "Node 'BiRefNet' not found."),
        ({"1": {"inputs": {}}}, "missing_node_type", "Node 'ID #1' has no class_type."),
        ({}, "prompt_no_outputs", "Prompt has no outputs"),
        ({"1": square()["1"]}, "prompt_no_outputs", "Prompt has no outputs"),
    ),
)
async def test_what_ends_every_check_is_told_alone(
    open_comfy: OpenComfy, graph: dict[str, Any], kind: str, words: str
) -> None:
    async with open_comfy() as (client, _):
        body = (await client.post("/prompt", json={"prompt": graph})).json()
    assert body["error"]["type"] == kind
    assert body["error"]["message"].startswith(words)
    assert body["node_errors"] == {}


@pytest.mark.parametrize(
    ("change", "kind"),
    (
        ({"2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}, "required_input_missing"),
        ({"2": {"class_type": "SaveImage", "inputs": {"images": ["1"], "filename_prefix": "p"}}}, "bad_linked_input"),
        (
            {"2": {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "p"}}},
            "exception_during_validation",
        ),
        (
            {
                "2": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "p"}},
                "3": {"class_type": "ImageToMask", "inputs": {"image": ["1", 0], "channel": "red"}},
            },
            "return_type_mismatch",
        ),
        (
            {
                "1": {
                    "class_type": "ImageScale",
                    "inputs": {
                        "image": ["1", 0], "upscale_method": "lanczos", "width": 8, "height": 8, "crop": "disabled",
                    },
                }
            },
            "dependency_cycle",
        ),
        ({"1": {"class_type": "EmptyImage", "inputs": {"width": 99_999, "height": 8}}}, "value_bigger_than_max"),
    ),
)  # fmt: skip
async def test_faults_of_wiring_have_their_own_names(open_comfy: OpenComfy, change: Any, kind: str) -> None:
    async with open_comfy() as (client, _):
        body = (await client.post("/prompt", json={"prompt": square() | change})).json()
    kinds = {fault["type"] for node in body["node_errors"].values() for fault in node["errors"]}
    assert kind in kinds


async def test_a_graph_of_which_one_output_is_sound_is_taken_without_the_other(open_comfy: OpenComfy) -> None:
    graph = square() | {
        "3": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "q"}},
        "4": {"class_type": "LoadImage", "inputs": {"image": "nope.png"}},
    }
    async with open_comfy() as (client, comfy):
        answer = await client.post("/prompt", json={"prompt": graph})
        prompt_id = answer.json()["prompt_id"]
        await idle(comfy)
        entry = (await client.get(f"/api/history/{prompt_id}")).json()[prompt_id]
    assert answer.status_code == 200
    assert set(answer.json()["node_errors"]) == {"4"}
    assert entry["outputs"] == {"2": {"images": [{"filename": "p_00001_.png", "subfolder": "", "type": "output"}]}}
    assert entry["status"]["status_str"] == "success"
    assert [event for event, _ in entry["status"]["messages"]] == [
        "execution_start", "execution_cached", "execution_success",
    ]  # fmt: skip
    assert entry["prompt"][1] == prompt_id
    assert entry["prompt"][4] == ["2"]


async def test_bodies_that_are_no_prompt_meet_what_they_would_meet_there(open_comfy: OpenComfy) -> None:
    async with open_comfy() as (client, comfy):
        sent: tuple[Any, ...] = ("text", [1], {"a": 3})
        broken = [(await client.post("/prompt", json={"prompt": one})).status_code for one in sent]
        none = (await client.post("/prompt", json={})).json()["error"]["type"]
        spelt = [
            (await client.post("/prompt", json={"prompt": square(), "prompt_id": one})).json()["error"]["type"]
            for one in ("mine", "0123456789ABCDEF0123456789ABCDEF", 7)
        ]
        assert not comfy.outstanding
        assert (await client.post("/prompt", content=b"{")).status_code == 500
    assert (broken, none) == ([500, 500, 500], "no_prompt")
    assert spelt == ["invalid_prompt_id"] * 3


async def test_files_are_counted_up_and_a_folder_in_the_prefix_is_one(open_comfy: OpenComfy) -> None:
    async with open_comfy() as (client, comfy):
        for prefix in ("p", "p", "sub/dir/p", "../p"):
            await client.post("/prompt", json={"prompt": square(prefix)})
        await idle(comfy)
        *good, bad = (await client.get("/history")).json().values()
        files = [entry["outputs"]["2"]["images"][0] for entry in good]
        found = [(await client.get("/view", params=file)).content for file in files]
        refused = [
            (await client.get("/view", params={"filename": name})).status_code for name in ("../p.png", "/p", "p")
        ]
    assert [(file["subfolder"], file["filename"]) for file in files] == [
        ("", "p_00001_.png"), ("", "p_00002_.png"), ("sub/dir", "p_00001_.png"),
    ]  # fmt: skip
    assert all(DRAFT_KEY.encode() in picture for picture in found)
    assert bad["status"]["status_str"] == "error"
    assert "outside the output folder" in bad["status"]["messages"][-1][1]["exception_message"]
    assert refused == [400, 400, 404]


async def test_an_upload_is_kept_beside_another_of_its_name_unless_it_may_replace_it(open_comfy: OpenComfy) -> None:
    async with open_comfy() as (client, comfy):

        async def upload(data: bytes, name: str = "a.png", **form: str) -> Any:
            answer = await client.post("/upload/image", files={"image": (name, data)}, data=form)
            return answer.json()["name"] if answer.is_success else answer.status_code

        names = [await upload(b"1"), await upload(b"2"), await upload(b"1"), await upload(b"3", overwrite="true")]
        assert names == ["a.png", "a (1).png", "a.png", "a.png"]
        assert comfy.files.input == {"a.png": b"3", "a (1).png": b"2"}
        assert await upload(b"4", "../a.png") == 400
        assert (await client.post("/upload/image", data={"overwrite": "1"})).status_code == 400


async def test_the_history_is_told_in_parts_and_can_be_emptied(open_comfy: OpenComfy) -> None:
    async with open_comfy(most_history=3) as (client, comfy):
        ids = [(await client.post("/prompt", json={"prompt": square()})).json()["prompt_id"] for _ in range(4)]
        await idle(comfy)

        async def told(query: str = "") -> list[str]:
            return list((await client.get(f"/history{query}")).json())

        assert await told() == ids[1:]
        assert await told("?max_items=1&offset=0") == ids[1:2]
        assert await told("?max_items=2") == ids[2:]
        await client.post("/history", json={"delete": [ids[2]]})
        assert await told() == [ids[1], ids[3]]
        await client.post("/history", json={"clear": True})
        assert await told() == []
        assert (await client.get(f"/history/{ids[1]}")).json() == {}


async def test_a_restart_forgets_queue_and_history_and_keeps_files(open_comfy: OpenComfy) -> None:
    async with open_comfy(restart_s=0.0) as (client, comfy):
        await client.post("/prompt", json={"prompt": square()})
        await idle(comfy)
        comfy.hold()
        await client.post("/prompt", json={"prompt": square()})
        assert (await client.get("/prompt")).json() == {"exec_info": {"queue_remaining": 1}}
        comfy.restart()
        assert (await client.get("/queue")).json() == {"queue_running": [], "queue_pending": []}
        assert (await client.get("/history")).json() == {}
        assert (await client.head("/view", params={"filename": "p_00001_.png"})).status_code == 200


async def test_a_server_that_is_starting_again_answers_nobody(open_comfy: OpenComfy) -> None:
    async with open_comfy(restart_s=3600.0) as (client, comfy):
        comfy.restart()
        with pytest.raises(httpx.TransportError):
            await client.get("/queue")


async def test_its_list_of_nodes_passes_the_check_of_a_running_comfyui(open_comfy: OpenComfy) -> None:
    library = load_library()
    async with open_comfy() as (client, _):
        info = (await client.get("/object_info")).json()
        one = (await client.get("/object_info/KSampler")).json()
        none = (await client.get("/object_info/BiRefNet")).json()
        system = (await client.get("/system_stats")).json()["system"]
    assert lint_against(library, info) == ()
    assert one == {"KSampler": info["KSampler"]}
    assert none == {}
    assert system["comfyui_version"] == "0.25.1"


async def test_a_fault_strikes_as_often_as_it_is_told_and_whom(open_comfy: OpenComfy) -> None:
    faults = (Fault(Kind.BUSY, times=2, after=1, match='"poor"'), Fault(Kind.THROTTLED, match="rich", seconds=9))
    async with open_comfy(faults=faults) as (client, comfy):
        answers = [
            await client.post("/prompt", json={"prompt": square(name)})
            for name in ("poor", "poor", "rich", "poor", "poor", "rich")
        ]
        assert [answer.status_code for answer in answers] == [200, 503, 429, 503, 200, 200]
        assert answers[2].headers["retry-after"] == "9"
        assert comfy.faults.struck == {"busy": 2, "throttled": 1}
        await idle(comfy)
        assert len(comfy.ran) == 3


async def test_only_the_latest_pictures_are_kept_when_they_grow_too_many(open_comfy: OpenComfy) -> None:
    async with open_comfy(most_kept_bytes=1) as (client, comfy):
        for name in ("first", "second"):
            await client.post("/prompt", json={"prompt": square(name)})
        await idle(comfy)
        assert list(comfy.files.output) == [("", "second_00001_.png")]


@pytest.mark.parametrize("wrong", ({"host": "0.0.0.0"}, {"port": 70_000}, {"exec_seconds": -1.0}))  # noqa: S104  refused
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ComfyConfig(**wrong)


def test_a_fault_that_can_never_strike_is_refused() -> None:
    with pytest.raises(UsageError):
        Fault(Kind.BUSY, times=0)
