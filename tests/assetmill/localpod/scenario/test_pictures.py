"""What the local Scenario draws, over real HTTP."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill.localpod.draft import DRAFT_KEY
from assetmill.localpod.scenario import ScenarioConfig

SCENE = {
    "modelId": "flux.1-dev", "prompt": "Forest hills at dawn. The backdrop of a game level", "numSamples": 1,
    "width": 256, "height": 192, "seed": "4",
}  # fmt: skip
SPRITE = "A fox. A game sprite of one playable character. A plain light backdrop, no shadow on the ground"


def redraw(image: str, **fields: Any) -> dict[str, Any]:
    return {"modelId": "flux.1-dev", "prompt": SPRITE, "numSamples": 1, "image": image, "seed": "5"} | fields


async def test_the_same_body_gives_the_same_bytes_and_another_seed_gives_others(open_scenario):
    async with open_scenario() as caller:
        jobs = [await caller.made("txt2img", body) for body in (SCENE, SCENE, SCENE | {"seed": "5"})]
        files = [await caller.file(job["metadata"]["assetIds"][0]) for job in jobs]
    assert files[0] == files[1] != files[2]


async def test_a_picture_from_words_is_a_jpeg_of_the_size_that_was_asked_for_whatever_it_is_called(open_scenario):
    async with open_scenario() as caller:
        job = await caller.made("txt2img", SCENE)
        asset = await caller.asset(job["metadata"]["assetIds"][0])
        file = await caller.file(asset["id"])
        image = await caller.picture(asset["id"])
    assert file.startswith(b"\xff\xd8\xff")
    assert image.size == (256, 192)
    assert asset["mimeType"] == "image/jpeg"
    assert asset["properties"] == {"size": len(file), "width": 256, "height": 192}
    assert {**asset["metadata"], **SCENE, "type": "inference-txt2img"} | {"numSamples": 1} == (
        asset["metadata"] | SCENE
    )


async def test_samples_are_as_many_pictures_with_seeds_that_follow_each_other(open_scenario):
    async with open_scenario() as caller:
        job = await caller.made("txt2img", SCENE | {"numSamples": 2})
        assets = [await caller.asset(one) for one in job["metadata"]["assetIds"]]
    assert [(asset["outputIndex"], asset["metadata"]["seed"]) for asset in assets] == [(0, "4"), (1, "5")]
    assert job["billing"]["cuCost"] == 10


async def test_a_call_that_does_not_say_how_many_is_charged_for_four(open_scenario):
    async with open_scenario() as caller:
        body = {name: value for name, value in SCENE.items() if name != "numSamples"}
        answer = await caller.post("/generate/txt2img", body, dryRun="true")
    assert answer.json()["creativeUnitsCost"] == 20


async def test_a_guide_decides_where_the_subject_stands_and_its_background_really_goes(open_scenario, guide):
    async with open_scenario() as caller:
        drawn = await caller.made("img2img", redraw(await caller.uploaded(guide), strength=0.9))
        cut = await caller.made("remove-background", {"image": drawn["metadata"]["assetIds"][0], "format": "png"})
        image = await caller.picture(cut["metadata"]["assetIds"][0])
    assert image.mode == "RGBA"
    assert image.size == (192, 192)
    mask = np.asarray(image.getchannel("A")) > 127
    wanted = np.asarray(Image.open(io.BytesIO(guide)).convert("L")) < 200
    assert (mask & wanted).sum() / (mask | wanted).sum() > 0.6
    assert not mask[:5].any()
    assert not mask[:, :5].any()


async def test_the_background_of_a_picture_from_elsewhere_goes_by_its_border(open_scenario, guide):
    async with open_scenario() as caller:
        job = await caller.made("remove-background", {"image": await caller.uploaded(guide)})
        image = await caller.picture(job["metadata"]["assetIds"][0])
    alpha = np.asarray(image.getchannel("A"))
    assert alpha[100, 100] == 255
    assert alpha[2, 2] == 0


@pytest.mark.parametrize(
    ("fields", "form", "corner"),
    (
        ({"format": "jpg"}, "JPEG", (255, 255, 255)),
        ({"format": "webp"}, "WEBP", None),
        ({"backgroundColor": "#ff0000"}, "PNG", (255, 0, 0)),
    ),
)
async def test_a_cut_out_comes_in_the_format_and_on_the_ground_that_is_asked_for(
    open_scenario, guide, fields, form, corner
):
    async with open_scenario() as caller:
        job = await caller.made("remove-background", {"image": await caller.uploaded(guide)} | fields)
        image = await caller.picture(job["metadata"]["assetIds"][0])
    assert image.format == form
    pixel = image.convert("RGBA").getpixel((1, 1))
    assert isinstance(pixel, tuple)
    if corner is None:
        assert pixel[3] == 0
    else:
        assert max(abs(one - other) for one, other in zip(pixel[:3], corner, strict=True)) < 4


async def test_layers_laid_on_each_other_are_the_picture_again(open_scenario):
    async with open_scenario() as caller:
        scene = (await caller.made("txt2img", SCENE))["metadata"]["assetIds"][0]
        job = await caller.made("custom/model_qwen-image-layered", {"image": scene, "layersCount": 3})
        whole = (await caller.picture(scene)).convert("RGBA")
        layers = [await caller.picture(one) for one in job["metadata"]["assetIds"]]
        extracted = await caller.made(
            "custom/model_scenario-image-layers-extractor",
            {"image": scene, "separationInstruction": "each row of trees", "maxLayers": 2},
        )
        last = await caller.picture(extracted["metadata"]["assetIds"][-1])
    assert len(layers) == len(extracted["metadata"]["assetIds"]) == 3
    assert layers[0].getchannel("A").getextrema() == (255, 255)
    assert all(layer.getchannel("A").getextrema() == (0, 255) for layer in layers[1:])
    assert last.getchannel("A").getextrema() == (255, 255), "what is left comes last"
    again = layers[0]
    for layer in layers[1:]:
        again = Image.alpha_composite(again, layer)
    assert again.tobytes() == whole.tobytes()


async def test_a_custom_model_takes_its_own_fields_and_starts_from_a_picture_where_there_is_one(open_scenario, guide):
    body = {"prompt": SPRITE, "width": 96, "height": 64, "seed": 3}
    async with open_scenario() as caller:
        words = await caller.made("custom/model_retrodiffusion-plus", body)
        redrawn = await caller.made(
            "custom/model_retrodiffusion-plus", body | {"image": await caller.uploaded(guide), "strength": 0.8}
        )
        assets = [await caller.asset(job["metadata"]["assetIds"][0]) for job in (words, redrawn)]
    assert [asset["metadata"]["type"] for asset in assets] == ["txt2img", "img2img"]
    assert {(asset["properties"]["width"], asset["properties"]["height"]) for asset in assets} == {(96, 64)}
    assert words["jobType"] == "custom"


async def test_a_model_may_take_a_ratio_and_reference_pictures_instead_of_a_size_and_a_picture(open_scenario, guide):
    async with open_scenario() as caller:
        reference = await caller.uploaded(guide)
        job = await caller.made(
            "custom/model_local-painter",
            {"prompt": SPRITE, "aspectRatio": "16:9", "referenceImages": [reference], "seed": 1},
        )
        asset = await caller.asset(job["metadata"]["assetIds"][0])
        wrong = await caller.post("/generate/custom/model_local-painter", {"prompt": "a", "referenceImages": "asset_x"})
    assert (asset["properties"]["width"], asset["properties"]["height"]) == (1368, 768)
    assert (asset["metadata"]["type"], asset["metadata"]["parentId"]) == ("img2img", reference)
    assert wrong.json()["infos"] == {"referenceImages": "must be a list of asset ids"}


@pytest.mark.parametrize("placeholders", (True, False))
async def test_placeholders_say_what_they_are_in_address_asset_and_file(open_scenario, guide, placeholders):
    async with open_scenario(ScenarioConfig(placeholders=placeholders)) as caller:
        drawn = (await caller.made("img2img", redraw(await caller.uploaded(guide))))["metadata"]["assetIds"][0]
        cut = (await caller.made("remove-background", {"image": drawn}))["metadata"]["assetIds"][0]
        told = [(await caller.asset(one))["metadata"].get("draft") for one in (drawn, cut)]
        png, jpeg = await caller.picture(cut), await caller.file(drawn)
    assert ("/draft/v1" in caller.server.url) is placeholders
    assert told == [True if placeholders else None] * 2
    assert (png.info.get(DRAFT_KEY) == "1") is placeholders
    assert (DRAFT_KEY.encode() in jpeg) is placeholders


async def test_a_picture_that_is_sent_along_becomes_an_asset_and_the_job_names_that(open_scenario, guide):
    import base64  # noqa: PLC0415  this test alone sends one

    url = f"data:image/png;base64,{base64.b64encode(guide).decode()}"
    async with open_scenario() as caller:
        job = await caller.made("img2img", redraw(url))
        source = await caller.file(job["metadata"]["input"]["image"])
    assert source == guide
