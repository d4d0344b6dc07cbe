"""What workers post, and what a client is then told.

`worker_posts.jsonl` holds results as worker-comfyui 5.8 posted them through RunPod's SDK (image data cut short), each
with what a client was told of the job afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.localpod import Limits, Pod, PodConfig

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
POSTS = Path(__file__).parents[2] / "fixtures" / "worker_posts.jsonl"
IMAGE = {"filename": "a_00001_.png", "type": "base64", "data": "aGk="}
TRACE = json.dumps({"error_type": "<class 'ValueError'>", "error_message": "🐈", "worker_id": "w1"})


def recorded() -> Iterator[Any]:
    for line in POSTS.read_text(encoding="utf-8").splitlines():
        post = json.loads(line)
        yield pytest.param(post, id=post["case"])


async def told_after(client: httpx.AsyncClient, content: bytes, **post: Any) -> tuple[int, dict[str, Any]]:
    job_id = (await client.post("run", json={"input": {"workflow": {"9": {}}}})).json()["id"]
    assert (await client.get("job-take/w1?gpu=cpu&job_in_progress=0")).json()["id"] == job_id
    answer = await client.post(f"job-done/w1/{job_id}", content=content, **post)
    told = (await client.get(f"status/{job_id}")).json()
    return answer.status_code, {key: told[key] for key in ("status", "output", "error") if key in told}


@pytest.mark.parametrize("post", tuple(recorded()))
async def test_a_recorded_result_is_told_as_it_was_told_then(open_pod: Open, post: dict[str, Any]) -> None:
    refused = post["body"] is None
    content = b'{"output":"' + b"x" * 3_000 if refused else json.dumps(post["body"], ensure_ascii=False).encode()
    config = PodConfig(remote_workers=True, limits=Limits(result_bytes=2_000))
    async with open_pod(config, None) as (client, _):
        code, told = await told_after(client, content, params=post["query"], headers=post["headers"])
    assert (code, told) == (400 if refused else 200, post["told"])


def test_the_recorded_too_large_result_is_over_the_default_limit_and_the_others_are_not() -> None:
    for line in POSTS.read_text(encoding="utf-8").splitlines():
        post = json.loads(line)
        assert (post["bytes"] > Limits().result_bytes) == (post["body"] is None), post["case"]


@pytest.mark.parametrize(
    ("posted", "status"),
    (
        ({"output": {"images": [{**IMAGE, "type": "s3_url", "data": "http://127.0.0.1/11-26/a.png"}]}}, "COMPLETED"),
        ({"output": {"images": [IMAGE], "errors": ["Failed to fetch image data for b.png"]}}, "COMPLETED"),
        ({"output": {"images": [IMAGE]}, "stopPod": True}, "COMPLETED"),
        ({"output": []}, "COMPLETED"),
        ({"output": False}, "COMPLETED"),
        ({}, "COMPLETED"),
        ({"output": "fine", "error": ""}, "COMPLETED"),
        ({"error": "Missing 'workflow' parameter"}, "FAILED"),
        ({"error": "Failed to upload one or more input images", "output": {"details": ["Error: a.png"]}}, "FAILED"),
        ({"error": "ComfyUI server (127.0.0.1:8188) not reachable after multiple retries."}, "FAILED"),
        ({"error": {"code": 7}}, "FAILED"),
        ({"error": TRACE}, "FAILED"),
    ),
)
async def test_every_kind_of_result_gives_its_status_and_keeps_its_words(
    open_pod: Open, posted: dict[str, Any], status: str
) -> None:
    async with open_pod(PodConfig(remote_workers=True), None) as (client, _):
        code, told = await told_after(client, json.dumps(posted, ensure_ascii=False).encode())
    kept = {key: value for key, value in posted.items() if key == "output" or (key == "error" and value)}
    assert (code, told) == (200, {"status": status, **kept})
