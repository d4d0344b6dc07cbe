"""The official SDK's client takes the local endpoint for RunPod."""

from __future__ import annotations

import asyncio
import importlib
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest

from assetmill.localpod import Counts, Pod, PodConfig, running_pod

KEY = "a-key-made-for-this-test"


def answer(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    if "workflow" not in job_input:
        return {"error": "Missing 'workflow' parameter"}
    return {"images": [{"filename": "a_00001_.png", "type": "base64", "data": "aGk="}]}


@pytest.fixture(scope="module")
def sdk_module() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing the SDK warns of its own dependencies
        return importlib.import_module("runpod")


@pytest.fixture
async def sdk_pod() -> AsyncIterator[Pod]:
    async with running_pod(PodConfig(endpoint_id="sdk", api_key=KEY), answer) as pod:
        yield pod


@pytest.fixture
def sdk_endpoint(sdk_module: ModuleType, sdk_pod: Pod, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(sdk_module, "endpoint_url_base", sdk_pod.url.removesuffix("/sdk"))
    endpoint = sdk_module.Endpoint("sdk", api_key=KEY)
    yield endpoint
    endpoint.rp_client.rp_session.close()


async def all_done(pod: Pod) -> None:
    async with asyncio.timeout(60):
        while pod.counts().in_queue or pod.counts().in_progress:  # noqa: ASYNC110 - the SDK itself would sleep 1 s
            await asyncio.sleep(0)


async def test_the_sdk_submits_a_job_and_gets_its_result(sdk_endpoint: Any, sdk_pod: Pod) -> None:
    job = await asyncio.to_thread(sdk_endpoint.run, {"input": {"workflow": {"9": {}}}})
    await all_done(sdk_pod)
    assert await asyncio.to_thread(job.status) == "COMPLETED"
    assert await asyncio.to_thread(job.output) == answer({"workflow": {}})


async def test_the_sdk_gets_a_result_without_a_second_call(sdk_endpoint: Any) -> None:
    output = await asyncio.to_thread(sdk_endpoint.run_sync, {"workflow": {"9": {}}}, 10)
    assert output == answer({"workflow": {}})


async def test_the_sdk_sees_a_failure(sdk_endpoint: Any, sdk_pod: Pod) -> None:
    job = await asyncio.to_thread(sdk_endpoint.run, {"input": {"prompt": "no graph"}})
    await all_done(sdk_pod)
    assert await asyncio.to_thread(job.status) == "FAILED"
    assert sdk_pod.counts() == Counts(failed=1, executed=1)


async def test_the_sdk_reads_health_cancels_and_purges(sdk_endpoint: Any, sdk_pod: Pod) -> None:
    job = await asyncio.to_thread(sdk_endpoint.run, {"input": {"workflow": {"9": {}}}})
    await all_done(sdk_pod)
    assert await asyncio.to_thread(job.cancel) == {"id": job.job_id, "status": "COMPLETED"}
    assert await asyncio.to_thread(sdk_endpoint.purge_queue) == {"removed": 0, "status": "completed"}
    health = await asyncio.to_thread(sdk_endpoint.health)
    assert health["jobs"]["completed"] == 1


async def test_the_sdk_understands_a_wrong_key(sdk_module: ModuleType, sdk_endpoint: Any) -> None:
    wrong = sdk_module.Endpoint("sdk", api_key="wrong")
    with pytest.raises(RuntimeError, match="401"):
        await asyncio.to_thread(wrong.run, {"input": {"workflow": {}}})
    wrong.rp_client.rp_session.close()
    assert sdk_endpoint is not None
