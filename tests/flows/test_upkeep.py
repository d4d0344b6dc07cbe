"""What settle-open looks after beside settling, without a Prefect server; with one, test_alerts does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from assetmill.clock import Clock
from assetmill.localpod import Faults, PodConfig, running_pod
from assetmill.settings import Settings
from flows.upkeep import look_at_endpoints, upkeep

KEY = "made-up-key"
NOBODY = "http://127.0.0.1:9"


def draws_nothing(_: Mapping[str, Any]) -> Mapping[str, Any]:
    raise AssertionError("nothing is sent")


def settings_at(url: str) -> Settings:
    base, _, endpoint_id = url.rpartition("/")
    return Settings(
        _env_file=None, RUNPOD_API_KEY=KEY, RUNPOD_API_URL=base, RUNPOD_COMFYUI_ENDPOINT_ID=endpoint_id
    )  # fmt: skip


@asynccontextmanager
async def endpoint_with(faults: Faults) -> AsyncIterator[Settings]:
    config = PodConfig(endpoint_id="gpu", api_key=KEY, workers=1, faults=faults)
    async with running_pod(config, draws_nothing) as pod:
        yield settings_at(pod.url)


async def test_an_endpoint_that_may_have_no_workers_is_noticed_without_a_run():
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        async with endpoint_with(Faults(max_workers=0)) as settings:
            (words,) = await look_at_endpoints(settings)
            assert words.startswith("runpod: the endpoint's max workers is 0")
        async with endpoint_with(Faults()) as settings:
            assert await look_at_endpoints(settings) == []


async def test_an_endpoint_whose_workers_runs_raise_themselves_is_not_told_of(tmp_path):
    file = tmp_path / "endpoint.yaml"
    async with endpoint_with(Faults(max_workers=0)) as settings:
        around = settings.model_copy(update={"scale": "around", "endpoint_file": file})
        told = []
        for name in ("gpu", "another"):
            file.write_text(f"name: {name}\nimage: studio/worker:1.0\ngpu: {{pools: [ADA_24]}}\n")
            told.append(len(await look_at_endpoints(around)))
        file.unlink()
        told.append(len(await look_at_endpoints(around)))
    assert told == [0, 1, 1], "of an endpoint that the file is not about, nobody looks after"


async def test_an_endpoint_that_cannot_be_asked_is_no_endpoint_without_workers():
    assert await look_at_endpoints(settings_at(f"{NOBODY}/v2/gpu")) == []
    async with endpoint_with(Faults(max_workers=0)) as settings:
        wrong = settings.model_copy(update={"runpod_endpoint_id": "another"})
        assert await look_at_endpoints(wrong) == []
    assert await look_at_endpoints(Settings(_env_file=None)) == [], "nothing is configured"


async def test_what_cannot_be_looked_at_is_said_and_keeps_nothing_else_from_being_done():
    with temporary_settings({PREFECT_API_URL: f"{NOBODY}/api"}):
        words = await upkeep(settings_at(f"{NOBODY}/v2/gpu"), Clock())
    assert [line.partition(":")[0] for line in words] == ["gone", "left"]
