"""The official SDK's client takes the local Scenario for the real one.

It checks every answer against Scenario's own schema (`_strict_response_validation`), so a field that the schema
requires and the local endpoint forgets fails here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import scenario_sdk
from PIL import Image

from assetmill.localpod.scenario import DRY_RUN, Fault, Kind, LocalScenario, ScenarioConfig, running_scenario

KEYS = {"api_key": "key-made-for-this-test", "secret": "secret-made-for-this-test"}
WORDS = {"modelId": "flux.1-dev", "prompt": "a hill", "numSamples": 1, "width": 64, "height": 64, "seed": "7"}


@pytest.fixture
async def server() -> AsyncIterator[LocalScenario]:
    async with running_scenario(ScenarioConfig(**KEYS, cancels=True)) as scenario:
        yield scenario


@pytest.fixture
async def sdk(server: LocalScenario) -> AsyncIterator[scenario_sdk.AsyncScenario]:
    async with scenario_sdk.AsyncScenario(
        api_key=KEYS["api_key"],
        api_secret=KEYS["secret"],
        base_url=server.url,
        max_retries=1,
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.fixture
def picture() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "#4080c0").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


async def test_the_sdk_runs_a_model_and_follows_the_job_to_its_file(sdk: Any, server: LocalScenario) -> None:
    asked = {"prompt": "a hill", "width": 64, "height": 64, "seed": 7}
    taken = await sdk.generate.run_model("model_retrodiffusion-plus", body=asked)
    await server.settled()
    job = (await sdk.jobs.retrieve(taken.job.job_id)).job
    asset = (await sdk.assets.retrieve(job.metadata.asset_ids[0])).asset
    bulk = (await sdk.assets.get_bulk(asset_ids=job.metadata.asset_ids)).assets
    assert (taken.creative_units_cost, job.billing.cu_cost, job.status, job.progress) == (5, 5, "success", 1)
    assert [one.status for one in job.status_history][-1] == "success"
    assert (asset.mime_type, asset.properties.width, [one.id for one in bulk]) == ("image/jpeg", 64, [asset.id])


async def test_the_sdk_asks_what_a_call_would_cost(sdk: Any, server: LocalScenario) -> None:
    raw = await sdk.generate.with_raw_response.run_model(
        "model_retrodiffusion-plus", body={"prompt": "a hill"}, dry_run="true"
    )
    assert (raw.status_code, (await raw.json())["creativeUnitsCost"]) == (DRY_RUN, 5)
    assert server.jobs() == ()


async def test_classic_calls_go_through_the_sdk_as_well(sdk: Any, server: LocalScenario, picture: str) -> None:
    guide = (await sdk.assets.upload(name="guide.png", image=picture)).asset
    bodies = {"txt2img": WORDS, "img2img": WORDS | {"image": guide.id}, "remove-background": {"image": guide.id}}
    for call, body in bodies.items():
        answer = await sdk.post(f"/generate/{call}", body=body, cast_to=object)
        assert answer["job"]["jobId"]
    await server.settled()
    jobs = [job async for job in sdk.jobs.list(page_size=2)]
    assert [(job.job_type, job.status) for job in jobs] == [
        ("remove-background", "success"), ("flux", "success"), ("flux", "success"),
    ]  # fmt: skip
    assert jobs[-1].metadata.input == WORDS


async def test_the_sdk_uploads_in_parts(sdk: Any, server: LocalScenario, picture: str) -> None:
    file = base64.b64decode(picture)
    upload = (
        await sdk.uploads.create(
            file_name="a.png", content_type="image/png", file_size=len(file), parts=1, kind="image"
        )
    ).upload
    assert upload.parts[0].number == 1
    await sdk.uploads.trigger_action(upload.id, action="complete")
    await server.settled()
    assert (await sdk.uploads.retrieve(upload.id)).upload.status == "failed"


async def test_the_sdk_reads_models_usages_and_cancels(sdk: Any, server: LocalScenario) -> None:
    models = [model.id async for model in sdk.models.list(privacy="public", page_size=4)]
    assert models == [model.id for model in server.config.models]
    assert [one.name for one in (await sdk.models.retrieve("model_qwen-image-layered")).model.inputs][:1] == ["image"]
    server.hold()
    taken = await sdk.post("/generate/txt2img", body=WORDS, cast_to=object)
    cancelled = await sdk.jobs.trigger_action(taken["job"]["jobId"], action="cancel")
    server.release()
    assert cancelled.job.status == "canceled"
    assert [one.total for one in (await sdk.usages.list()).consumption] == [0]


async def test_the_sdk_understands_refusals_and_tries_again_where_it_should(sdk: Any, server: LocalScenario) -> None:
    with pytest.raises(scenario_sdk.BadRequestError) as refused:
        await sdk.generate.run_model("model_retrodiffusion-plus", body={"promt": "a hill"})
    assert refused.value.body["infos"]["promt"] == "is not allowed"
    with pytest.raises(scenario_sdk.NotFoundError):
        await sdk.jobs.retrieve("job_none")
    wrong = sdk.with_options(api_secret="wrong")
    with pytest.raises(scenario_sdk.AuthenticationError):
        await wrong.jobs.retrieve("job_none")
    server.inject(Fault(Kind.ERROR, call="models"))
    assert (await sdk.models.list(privacy="public")).models
    assert server.calls()["models"] == 2
